(ns monkey.ci.containers
  "What a container job says of its container.")

(defn image
  "The container image."
  [job]
  (or (:container/image job) (:image job)))

(def ^{:arglists '([job])} env
  "The environment of the container: names to values."
  :container/env)

(def ^{:arglists '([job])} cmd
  "The command that is run instead of a script."
  :container/cmd)

(def ^{:arglists '([job])} args
  "Arguments of the command."
  :container/args)

(def ^{:arglists '([job])} entrypoint
  "The entrypoint of the container."
  :container/entrypoint)

(def ^{:arglists '([job])} mounts
  "Pairs of a folder of the host and where it appears in the container."
  :container/mounts)

(def ^{:arglists '([job])} platform
  "The platform of the image."
  :container/platform)
