(ns monkey.ci.library-page-test
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is]]
            [monkey.ci.library-page :as sut]
            [monkey.ci.surface-test :as surface]))

(deftest the-page-is-what-the-library-says-of-itself
  (is (= (sut/page) (slurp "assets/docs/library.md"))
      "see tests/clojure/library_page.clj"))

(deftest the-page-can-be-read-in-a-terminal
  (let [lines (remove #(str/starts-with? % "|") (str/split-lines (sut/page)))]
    (is (= [] (filter #(< 110 (count %)) lines)))
    (is (not (str/includes? (sut/page) "<br>")))))

(deftest the-page-has-every-namespace-once
  (is (= (sort surface/namespaces) (sort sut/namespaces))))

(deftest what-is-ours-is-there-and-says-so
  (doseq [[ns-name names] sut/ours, n names]
    (is (some? (ns-resolve ns-name n)) (str ns-name "/" n)))
  (is (= (get sut/ours 'monkey.ci.test)
         (set (for [[n v] (ns-publics 'monkey.ci.test)
                    :when (str/includes? (str (:doc (meta v))) "Ours:")]
                n)))))

(deftest every-function-says-what-it-does
  (is (= [] (filter #(str/blank? (:doc (meta (find-var %))))
                    (mapcat surface/public surface/namespaces)))))

(deftest the-tests-of-the-hosts-are-there
  (let [tests (slurp "tests/e2e/hosts.rs")]
    (doseq [test-name (re-seq #"the_library_does_what_it_is_for_on_\w+" (sut/page))]
      (is (some? (re-find (re-pattern (str "fn " test-name)) tests))
          test-name))))
