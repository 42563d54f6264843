(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "outer" (fn [_]
                         (m/action-job "inner" (fn [ctx]
                                                 (m/with-message m/success "inner of outer")))))
 (m/action-job "by-function" (fn [_]
                               (fn [_]
                                 (m/action-job nil (fn [_] (println "deep"))))))
 (m/action-job "in-list" (fn [_]
                           [(m/action-job "one" (constantly m/success))
                            (m/action-job "two" (constantly m/failure))]))]
