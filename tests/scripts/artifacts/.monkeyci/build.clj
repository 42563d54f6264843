(ns build
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [monkey.ci.api :as m]))

(def words (m/artifact "words" "words"))
(def loud (m/artifact "loud" "out/loud.txt"))

(defn write-words [ctx]
  (let [file (io/file (m/in-work ctx "words/hello.txt"))]
    (io/make-parents file)
    (spit file "hello")))

(defn read-loud [ctx]
  (m/with-message m/success (str/trim (slurp (m/in-work ctx "out/loud.txt")))))

[(-> (m/action-job "write" write-words)
     (m/save-artifacts words))
 (-> (m/container-job "shout" {:image "docker.io/alpine:3.20"
                               :script ["mkdir -p out"
                                        "tr a-z A-Z < words/hello.txt > out/loud.txt"]})
     (m/restore-artifacts words)
     (m/save-artifacts [loud])
     (m/depends-on "write"))
 (-> (m/action-job "read" read-loud)
     (m/restore-artifacts (m/dir-artifact loud))
     (m/depends-on "shout"))
 ;; At run time: nil when there is none.
 (m/action-job "absent" (fn [ctx]
                          (m/with-message m/success
                            (if (m/get-artifact ctx (m/artifact "no-such" "x")) "some" "none"))))]
