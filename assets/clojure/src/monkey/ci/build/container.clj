(ns monkey.ci.build.container
  "Container settings of a job, as older scripts write them.")

(defn image
  "The job with this container image."
  [job image]
  (assoc job :container/image image))
