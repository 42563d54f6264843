(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "twice" (fn [_] (m/with-message m/failure "the first")))
 (m/depends-on (m/action-job "after" (constantly m/success)) "twice")
 (m/action-job "twice" (fn [_] (m/with-message m/success "the second")))]
