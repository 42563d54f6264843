(ns build
  (:require [monkey.ci.api :as m]))

(defn job [id & deps]
  (m/depends-on (m/action-job id (constantly m/success)) deps))

[(job "free")
 (job "hen" "egg")
 (job "egg" "hen")
 (job "self" "self")]
