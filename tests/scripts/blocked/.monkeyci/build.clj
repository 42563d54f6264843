(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "test" (constantly m/success))
 (-> (m/action-job "deploy" (constantly m/success))
     (m/depends-on "test")
     (m/blocked))
 (m/depends-on (m/action-job "notify" (constantly m/success)) "deploy")]
