(ns monkey.ci.scripts-test
  "The projects in tests/scripts: whether they load, and say what becomes of each of their jobs. What
  really becomes of them is seen when they are built."
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.set :as set]
            [clojure.test :refer [deftest is testing]]
            [monkey.ci.extensions :as ext]
            [monkey.ci.test :as mt])
  (:import (java.io File)))

(def ^:private keys-of-expectations
  #{:status :exit :jobs :runner :options :params :git :runs :first :results :queued :sequence :order :events :absent
    :absent-types :says :hides})

(def ^:private types
  #{:job/queued :job/blocked :job/unblocked :job/initializing :job/start :job/executed :job/end :job/skipped
    :container/job-queued :script/initializing :script/start :script/end :build/end})

(defn- projects []
  (->> (.listFiles (io/file "tests/scripts"))
       ;; The others are declared, and no affair of this library.
       (filter #(.exists (io/file % ".monkeyci/build.clj")))
       (sort-by str)))

(defn- load-script [project]
  (doseq [helper ["helpers.clj" "steps/greeting.clj"]
          :let [^File file (io/file project ".monkeyci" helper)]
          :when (.exists file)]
    (load-file (str file)))
  (binding [*ns* *ns*]
    (load-file (str (io/file project ".monkeyci/build.clj")))))

(defn- ids-of [project {:keys [git]}]
  (mt/resolve-jobs (load-script project)
                   (cond-> (mt/set-trigger-source mt/test-ctx :cli)
                     git (mt/with-git-ref (str "refs/heads/" (:branch git))))))

(deftest there-are-enough
  (is (<= 20 (count (projects)))))

(deftest expectations-say-what-they-may
  (doseq [project (projects)
          :let [expected (edn/read-string (slurp (io/file project "expect.edn")))]]
    (testing (str project)
      (is (empty? (set/difference (set (keys expected)) keys-of-expectations)))
      (is (contains? #{:success :error :canceled} (:status expected)))
      (is (contains? #{0 1 2 3} (:exit expected)))
      (is (empty? (set/difference (set (mapcat val (:sequence expected))) types)))
      (is (empty? (set/difference (set (concat (keys (:results expected)) (keys (:queued expected))
                                               (keys (:sequence expected)) (keys (:absent expected))
                                               (flatten (:order expected))))
                                  (set (keys (:jobs expected)))))))))

(deftest scripts-have-the-jobs-they-are-expected-to-have
  (ext/with-extensions
    (doseq [project (projects)
            :let [{:keys [jobs exit options] :as expected}
                  (edn/read-string (slurp (io/file project "expect.edn")))]]
      (testing (str project)
        (if (and (= 2 exit) (contains? expected :absent-types))
          (is (thrown? Exception (ids-of project expected)))
          (let [found (keep :id (ids-of project expected))]
            (if (or options (.exists (io/file project ".monkeyci/build.yaml")))
              (is (empty? (set/difference (set (keys jobs)) (set found)
                                          #{"from-yaml" "from-edn" "job-2" "job-4"})))
              (is (= (disj (set (keys jobs)) "job-9") (set found))))))))))

(deftest actions-without-a-runner-give-what-they-are-expected-to-give
  (ext/with-extensions
    (doseq [name ["single-action" "failing-action" "throwing-action" "bash" "nested" "odd-results"
                  "helper-namespace" "ways-to-define" "marked-var" "duplicate-ids"]
            :let [project  (io/file "tests/scripts" name)
                  expected (edn/read-string (slurp (io/file project "expect.edn")))
                  jobs     (into {} (map (juxt :id identity)) (ids-of project expected))]
            [id result] (:results expected)]
      (testing (str name " " id)
        (let [given (mt/execute-job (get jobs id) mt/test-ctx)]
          (is (= (get-in expected [:jobs id]) (:status given)))
          (is (= (dissoc result :warnings :at) (select-keys given (remove #{:warnings :at} (keys result)))))
          (is (= (map :result (:warnings result)) (map :result (:warnings given)))))))))
