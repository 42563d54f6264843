(ns build
  (:require [monkey.ci.api :as m]))

(defn job [ctx]
  ;; The next line is wrong.
  (no-such-function ctx))

[job]
