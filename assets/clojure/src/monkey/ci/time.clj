(ns monkey.ci.time
  "The clock: milliseconds since the epoch, as everywhere in events and builds.")

(defn now
  "The time in milliseconds since the epoch."
  []
  (System/currentTimeMillis))

(def ^{:arglists '([n])} seconds->ms
  "Seconds as milliseconds."
  (partial * 1000))

(def ^{:arglists '([n])} minutes->ms
  "Minutes as milliseconds."
  (partial * 60000))

(def ^{:arglists '([n])} hours->ms
  "Hours as milliseconds."
  (partial * 3600000))
