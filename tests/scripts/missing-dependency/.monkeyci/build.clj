(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "runs" (constantly m/success))
 (m/depends-on (m/action-job "waits" (constantly m/failure)) ["runs" "nobody"])
 (m/depends-on (m/action-job "behind" (constantly m/failure)) "waits")]
