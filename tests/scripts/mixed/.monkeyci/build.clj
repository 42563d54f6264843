(ns build
  (:require [monkey.ci.api :as m]))

(def prepare
  (m/action-job "prepare" (constantly m/success)))

(defn in-alpine [id & commands]
  (-> (m/container-job id)
      (m/image "docker.io/alpine:3.20")
      (m/script (vec commands))
      (m/depends-on "prepare")))

[prepare
 (in-alpine "compile" "echo compiling")
 (in-alpine "test" "echo testing")
 (-> (m/action-job "report" (fn [ctx]
                              (m/with-message m/success
                                (str "after " (m/job-id (m/get-job ctx "test"))))))
     (m/depends-on ["compile"] "test" "compile"))]
