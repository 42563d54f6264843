(ns build
  "A script as people write them: some functions, some jobs, conditions and dependencies."
  (:require [clojure.string :as str]
            [monkey.ci.api :as m]
            [monkey.ci.build.v2 :as v2]))

(def modules ["core" "web" "cli"])

(defn module-id [prefix module]
  (str prefix "-" (str/replace module #"[^a-z]" "-")))

(defn release? [ctx]
  (some? (m/tag ctx)))

(defn announce
  "Tells what will be built."
  [ctx]
  (println "Building" (str/join ", " modules) "on" (or (m/branch ctx) "no branch"))
  m/success)

(def prepare
  (m/action-job "prepare" announce))

(defn test-module [module]
  (-> (m/container-job (module-id "test" module))
      (m/image "docker.io/busybox")
      (m/script [(str "echo testing " module)])
      (m/depends-on ["prepare"])))

(defn package [ctx]
  (-> (m/container-job "package")
      (m/image "docker.io/busybox")
      (m/env {"RELEASE" (str (boolean (release? ctx)))})
      (m/script ["echo packaged $RELEASE"])
      (m/depends-on (map (partial module-id "test") modules))))

(defn publish [ctx]
  (when (release? ctx)
    (-> (m/action-job "publish" (fn [_] (println "published") m/success))
        (m/depends-on ["package"]))))

[prepare (mapv test-module modules) package publish]
