(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "fails" (fn [_] (m/with-message m/failure "not today")))
 (-> (m/action-job "never" (fn [_] (throw (ex-info "must not run" {}))))
     (m/depends-on "fails"))
 (-> (m/container-job "nor-this")
     (m/image "docker.io/alpine:3.20")
     (m/script ["false"])
     (m/depends-on "never"))
 (m/action-job "independent" (constantly m/success))]
