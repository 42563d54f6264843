;; Runs all tests of the Clojure library, from the repository's folder:
;;
;;     clojure -cp assets/clojure/src:tests/clojure tests/clojure/run.clj [NAMESPACE …]
;;
;; Code that needs reflection is a failure too.
(require '[clojure.java.io :as io]
         '[clojure.string :as str]
         '[clojure.test :as test])

(defn- namespaces-in [folder]
  (for [^java.io.File file (file-seq (io/file folder))
        :let [path (str (.relativize (.toPath (io/file folder)) (.toPath file)))]
        :when (str/ends-with? path ".clj")]
    (-> path (str/replace #"\.clj$" "") (str/replace "/" ".") (str/replace "_" "-") symbol)))

(let [chosen  (map symbol *command-line-args*)
      tests   (sort (or (seq chosen)
                        (filter #(str/ends-with? (str %) "-test") (namespaces-in "tests/clojure"))))
      library (remove #{'monkey.ci.script.main} (sort (namespaces-in "assets/clojure/src")))
      said    (java.io.StringWriter.)]
  (binding [*warn-on-reflection* true, *err* said]
    (run! require (concat library tests)))
  (print (str said))
  (let [reflections  (count (re-seq #"Reflection warning" (str said)))
        {:keys [fail error]} (apply test/run-tests tests)]
    (when (pos? reflections)
      (println reflections "reflection warnings."))
    (flush)
    (shutdown-agents)
    (System/exit (if (zero? (+ fail error reflections)) 0 1))))
