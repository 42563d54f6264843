(ns build
  (:require [monkey.ci.api :as m]))

(-> (m/container-job "complete" {:container/image "docker.io/alpine:3.20"
                                 :container/env {"A" "1"}
                                 :script ["test \"$A$B\" = 12"]})
    (m/init (fn [ctx]
              {:container/env {"B" "2", "JOB" (get-in ctx [:job :id])}
               :script ["test \"$JOB\" = complete"]})))
