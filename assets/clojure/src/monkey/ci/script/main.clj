(ns monkey.ci.script.main
  "Where a plain Clojure begins: `clojure.main -m monkey.ci.script.main`, with the configuration as one
  line of EDN on standard input."
  (:require [clojure.edn :as edn]
            [monkey.ci.api]
            [monkey.ci.script.actions :as actions]
            [monkey.ci.script.core :as core]
            [monkey.ci.script.edn :as script-edn]
            [monkey.ci.script.events :as events]
            [monkey.ci.script.http :as http]
            [monkey.ci.script.load :as load]
            [monkey.ci.script.scheduler :as scheduler]
            [monkey.ci.script.tee]))

(defn- warm-up
  "Does a little of everything that a script does, so that what it needs of Java and Clojure is known
  to whoever makes an archive of it."
  []
  (let [form '(do (ns warm-up.script (:require [monkey.ci.api :as m] [clojure.string :as str]))
                  (defn- hello [_] (println (str/upper-case "hello")) m/success)
                  [(m/action-job "a" hello)
                   (-> (m/container-job "b") (m/image "i") (m/script ["true"]) (m/depends-on "a"))])
        all  (binding [*ns* (create-ns 'user)]
               (refer 'clojure.core)
               (load/name-jobs (load/resolve-jobs (eval form) {})))
        [state] (scheduler/start (scheduler/init all))
        done (actions/execute {:build {:checkout-dir "."} :job (first all)} (fn [_ _]) (fn []))
        [state] (scheduler/ended state "a" (:status done) (:result done))]
    (script-edn/read-lenient (script-edn/write-strict (mapv events/job->data (vals (:jobs state)))))
    (try
      (http/request (http/client {:socket "/nonexistent/api.sock" :token "t"}) {:path "/test"})
      (catch Exception _ nil))))

(defn -main
  "Runs the script, or warms up."
  [& args]
  (if (= ["--warm-up"] args)
    (warm-up)
    (let [{:keys [config]} (edn/read-string {:default tagged-literal} (read-line))]
      (core/exit! (core/run config)))))
