(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "test" (constantly m/success))
 (m/blocked (m/action-job "deploy" (constantly m/success)))]
