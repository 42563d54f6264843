(ns monkey.ci.script.report-test
  "What is said of scripts that do not load."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [monkey.ci.script.load :as load]
            [monkey.ci.script.report :as sut])
  (:import (java.nio.file Files)
           (java.nio.file.attribute FileAttribute)))

(defn- said-of
  "The report on a `build.clj` of these lines."
  [& lines]
  (let [dir  (str (Files/createTempDirectory "report" (make-array FileAttribute 0)))
        file (io/file dir "build.clj")]
    (spit file (str/join "\n" lines))
    (try
      (load/load-jobs {:script-dir dir} {})
      "nothing"
      (catch Throwable e
        (sut/report dir e))
      (finally
        (.delete file)
        (.delete (io/file dir))))))

(def ^:private head "(ns report-test.script (:require [monkey.ci.api :as m]))")

(deftest the-line-is-shown-with-what-may-have-been-meant
  (is (= (str "build.clj:3:2: No such var: m/actoin-job\n"
              "   |\n"
              " 3 | [(m/actoin-job \"a\" identity)]\n"
              "   |  ^\n"
              "did you mean m/action-job?")
         (said-of head "" "[(m/actoin-job \"a\" identity)]")))
  (is (str/ends-with? (said-of head "(defn helper [] 1)" "(heplr)")
                      "did you mean helper?"))
  (is (str/ends-with? (said-of "(prinltn 1)")
                      "did you mean println?")))

(deftest nothing-is-made-up
  (testing "no name is near"
    (is (str/ends-with? (said-of "(entirely-unknown-thing 1)") "\n   | ^")))
  (testing "the script failed while it ran"
    (is (= "build.clj:1: Divide by zero\n   |\n 1 | (/ 1 0)" (said-of "(/ 1 0)"))))
  (testing "nobody knows where it was"
    (is (= "Kaboom" (sut/report "/no/such/folder" (Exception. "Kaboom"))))))

(deftest a-mark-stands-below-what-it-is-about
  (testing "behind tabs"
    (is (str/includes? (said-of "(do" "\t(nowhere-to-be-found 1))")
                       "\n 2 | \t(nowhere-to-be-found 1))\n   | \t^")))
  (testing "lines nobody could read are left out"
    (is (not (str/includes? (said-of (str "(nowhere-to-be-found \"" (str/join (repeat 300 "x")) "\")"))
                            "xxx")))))
