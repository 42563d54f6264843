(ns build
  (:require [monkey.ci.api :as m]))

(defn job [id & deps]
  (m/depends-on (m/action-job id (constantly m/success)) deps))

[(job "a")
 (job "b" "a")
 (m/action-job "c" (constantly m/failure))
 (m/depends-on (m/action-job "d" (constantly m/failure)) "b")]
