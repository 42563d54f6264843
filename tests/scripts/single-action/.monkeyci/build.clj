(ns build
  (:require [monkey.ci.api :as m]))

(m/action-job "greet" (fn [_] (println "hello")))
