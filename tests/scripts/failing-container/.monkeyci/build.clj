(ns build
  (:require [monkey.ci.api :as m]))

(defn job [id commands & deps]
  (-> (m/container-job id)
      (m/image "docker.io/alpine:3.20")
      (m/script commands)
      (m/depends-on deps)))

[(job "ok" ["true"])
 (job "fails" ["echo before" "exit 3" "echo never"] "ok")
 (m/depends-on (m/action-job "never" (constantly m/success)) "fails")
 (job "independent" ["true"] "ok")]
