(ns steps.greeting
  (:require [monkey.ci.api :as m]))

(defn job [id]
  (m/action-job id (fn [_] (m/with-message m/success (str "hello from " `steps.greeting)))))
