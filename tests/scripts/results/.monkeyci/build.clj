(ns build
  (:require [monkey.ci.api :as m]))

(defn save [ctx]
  (m/save-result ctx "coverage" {:lines 80})
  (m/save-result ctx "notes" (.getBytes "some words") {:media-type "text/plain"})
  nil)

(defn read-back [ctx]
  (if (= "some words" (m/result ctx "notes"))
    (m/with-message m/success
      (pr-str (m/result ctx "coverage")
              (m/result ctx "coverage" {:of :previous})
              (vec (sort (map :name (m/results ctx))))))
    (m/with-message m/failure "the file came back changed")))

[(m/action-job "save" save)
 (m/depends-on (m/action-job "read" read-back) "save")]
