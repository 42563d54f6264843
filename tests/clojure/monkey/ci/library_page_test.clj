(ns monkey.ci.library-page-test
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is]]
            [monkey.ci.library-page :as sut]
            [monkey.ci.surface-test :as surface]))

(deftest the-page-is-what-the-library-says-of-itself
  (is (= (sut/page) (slurp "assets/docs/library.md"))
      "see tests/clojure/library_page.clj"))

(deftest every-function-says-what-it-does
  (is (= [] (filter #(str/blank? (:doc (meta (find-var %))))
                    (mapcat surface/public surface/namespaces)))))

(deftest the-tests-of-the-hosts-are-there
  (let [tests (slurp "tests/e2e/hosts.rs")]
    (doseq [test-name (re-seq #"the_library_does_what_it_is_for_on_\w+" (sut/page))]
      (is (some? (re-find (re-pattern (str "fn " test-name)) tests))
          test-name))))
