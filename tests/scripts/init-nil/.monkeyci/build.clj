(ns build
  (:require [monkey.ci.api :as m]))

[(-> (m/container-job "skipped" {:image "docker.io/alpine:3.20" :script ["false"]})
     (m/init (constantly nil)))
 (m/depends-on (m/action-job "dependant" (constantly m/success)) "skipped")
 (m/action-job "other" (constantly m/success))]
