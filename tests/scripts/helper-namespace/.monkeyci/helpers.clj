(ns helpers
  (:require [monkey.ci.api :as m]))

(defn job [id]
  (m/action-job id (constantly m/success)))
