(ns build
  (:require [monkey.ci.api :as m]))

(defn params [ctx]
  (let [params (m/build-params ctx)]
    (println "the token is" (get params "npm-token"))
    (m/with-message m/success
      (str (get params "user") ", " (count params) " parameters, "
           (count (get params "npm-token")) " letters"))))

[(m/action-job "params" params)]
