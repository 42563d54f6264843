(ns build
  (:require [monkey.ci.api :as m]))

[(-> (m/container-job "third")
     (m/image "docker.io/alpine:3.20")
     (m/script ["true"])
     (m/depends-on "second"))
 (-> (m/container-job "first")
     (m/image "docker.io/alpine:3.20")
     (m/script ["A=1" "test -z \"$A\"" "echo one; echo two"]))
 (-> (m/container-job "second" {:container/image "docker.io/alpine:3.20"
                                :container/env {"GREETING" "hello there"}
                                :script ["test \"$GREETING\" = 'hello there'"]})
     (m/depends-on ["first"]))]
