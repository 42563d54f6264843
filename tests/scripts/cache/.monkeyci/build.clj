(ns build
  (:require [clojure.string :as str]
            [monkey.ci.api :as m]))

(def runs (m/artifact "runs" "runs"))

[(-> (m/container-job "build" {:image "docker.io/alpine:3.20"
                               :script ["mkdir -p deps runs"
                                        "echo run >> deps/runs.txt"
                                        "wc -l < deps/runs.txt > runs/count.txt"]})
     (m/caches (m/cache "deps" "deps"))
     (m/save-artifacts runs))
 (-> (m/action-job "report" (fn [ctx]
                              (m/with-message m/success
                                (str/trim (slurp (m/in-work ctx "runs/count.txt"))))))
     (m/restore-artifacts runs)
     (m/depends-on "build"))]
