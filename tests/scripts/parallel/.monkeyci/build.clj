(ns build
  (:require [monkey.ci.api :as m]))

(def ping (promise))
(def pong (promise))

(defn meet [mine other]
  (fn [_]
    (deliver mine :here)
    (if (= :here (deref other 20000 :nobody))
      m/success
      (m/with-message m/failure "nobody came"))))

[(m/action-job "ping" (meet ping pong))
 (m/action-job "pong" (meet pong ping))
 (m/depends-on (m/action-job "after" (constantly m/success)) ["ping" "pong"])]
