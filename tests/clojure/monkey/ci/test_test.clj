(ns monkey.ci.test-test
  (:require [clojure.java.io :as io]
            [clojure.test :refer [are deftest is testing]]
            [monkey.ci.api :as m]
            [monkey.ci.build.api :as api]
            [monkey.ci.build.core :as core]
            [monkey.ci.test :as sut])
  (:import (java.io File)))

(deftest the-context-to-begin-with
  (is (= "main" (m/main-branch sut/test-ctx)))
  (is (= [:amd] (m/archs sut/test-ctx)))
  (is (nil? (m/branch sut/test-ctx)))
  (is (string? (m/build-id sut/test-ctx)))
  (testing "has a runner that has nothing"
    (is (= {} (m/build-params sut/test-ctx)))
    (is (nil? (m/get-artifact sut/test-ctx (m/artifact "a" "b"))))
    (is (nil? (m/result sut/test-ctx "coverage")))
    (is (nil? (m/secret sut/test-ctx "npm-token")))
    (is (nil? (m/get-job sut/test-ctx "other")))
    (is (thrown-with-msg? clojure.lang.ExceptionInfo #"there is no runner in a test"
                          (m/save-result sut/test-ctx "a" 1)))))

(deftest the-context-can-be-changed
  (are [expected f ctx] (= expected (f ctx))
    "x" m/branch (sut/with-git-ref sut/test-ctx "refs/heads/x")
    "v1" m/tag (sut/with-git-ref sut/test-ctx "refs/tags/v1")
    true m/main-branch? (-> sut/test-ctx (sut/set-main-branch "trunk") (sut/with-git-ref "refs/heads/trunk"))
    "b-7" m/build-id (sut/with-build-id sut/test-ctx "b-7")
    [:arm] m/archs (sut/with-archs sut/test-ctx [:arm])
    true m/cli? (sut/set-trigger-source sut/test-ctx :cli)
    "/a/b" m/checkout-dir (sut/with-checkout-dir sut/test-ctx "/a/b")
    "/a/b" sut/checkout-dir (sut/with-checkout-dir sut/test-ctx (io/file "/a/b"))
    "/j/x" #(m/in-work % "x") (sut/with-job-dir sut/test-ctx "/j")))

(deftest changes-can-be-made-in-every-way
  (are [ctx] (and (= #{"a" "b"} (m/files-added ctx)) (= #{"c"} (m/files-removed ctx)))
    (sut/set-changes sut/test-ctx {:added #{"a" "b"} :removed #{"c"}})
    (sut/with-changes sut/test-ctx (sut/added "a" "b") (sut/removed ["c"]))
    (sut/with-changes sut/test-ctx (-> (sut/added ["a" "b"]) (sut/removed #{"c"})))
    (-> sut/test-ctx (sut/added "a") (sut/added "b") (sut/removed "c"))
    (-> sut/test-ctx (sut/with-changes {:added ["a"]}) (sut/with-changes {:added ["b"] :removed ["c"]}))
    (sut/update-changes sut/test-ctx assoc :added #{"a" "b"} :removed #{"c"})
    (-> sut/test-ctx (sut/update-changes sut/added "a" "b") (sut/update-changes sut/removed "c")))
  (is (m/touched? (sut/modified sut/test-ctx "src/x.clj") #"src/.*"))
  (is (= {:modified #{"x"}} (sut/modified "x"))))

(defn on-main [ctx]
  (when (m/main-branch? ctx)
    (m/action-job "on-main" (constantly nil))))

(core/defjob by-macro [_] nil)

(defn ^:job marked [_] m/success)

(deftest jobs-are-resolved
  (let [ids #(map :id (sut/resolve-jobs % (sut/with-git-ref sut/test-ctx "refs/heads/other")))]
    (are [jobs found] (= found (ids jobs))
      nil []
      on-main []
      #'on-main []
      [nil on-main [(m/container-job "a") (list (m/container-job "b"))]] ["a" "b"]
      by-macro ["by-macro"]
      #'by-macro ["by-macro"]
      #'marked ["marked"]
      (for [n [1 2]] (m/action-job (str n) identity)) ["1" "2"]
      {:id "no type"} []
      (fn [_] (fn [_] (m/container-job "deep"))) ["deep"]))
  (is (= ["on-main"] (map :id (sut/resolve-jobs on-main (sut/with-git-ref sut/test-ctx "refs/heads/main")))))
  (is (thrown? clojure.lang.ExceptionInfo (sut/resolve-jobs ["text"] sut/test-ctx))))

(defn- run-action [f]
  (dissoc (sut/execute-job (m/action-job "a" f) sut/test-ctx) :exception))

(deftest actions-really-run
  (are [f result] (= result (run-action f))
    (constantly nil) {:status :success}
    (constantly m/failure) {:status :failure}
    (fn [_] (println "hi")) {:status :success :output "hi\n"}
    (fn [_] (println "hi") {:status :success :output "mine"}) {:status :success :output "mine"}
    (constantly "text") {:status :success :warnings [{:message "Invalid action result" :result "text"}]}
    (fn [_] (throw (ex-info "no" {}))) {:status :failure :message "no"}
    (fn [_] (fn [_] [(m/action-job "b" (constantly m/skipped))])) {:status :skipped}
    (fn [_] (m/action-job nil #(m/with-message m/success (get-in % [:job :id])))) {:status :success :message "a"}
    (fn [_] (m/container-job "c")) {:status :failure :message "An action can only give action jobs"})
  (is (instance? Exception (:exception (sut/execute-job (m/action-job "a" (fn [_] (throw (Exception.)))) sut/test-ctx))))
  (is (nil? (sut/execute-job nil sut/test-ctx)))
  (is (sut/success? (sut/execute-job by-macro sut/test-ctx)))
  (testing "bash jobs too"
    (is (= "one\n" (:output (sut/execute-job (m/bash "b" "echo" "one") sut/test-ctx))))
    (is (sut/failure? (sut/execute-job (m/bash "b" "false") sut/test-ctx)))))

(deftest actions-know-where-they-work
  (sut/with-tmp-dir dir
    (.mkdirs (io/file dir "sub"))
    (let [ctx (sut/with-checkout-dir sut/test-ctx dir)
          job (m/action-job "a" (fn [ctx] (spit (m/in-work ctx "file") "x")))]
      (is (sut/success? (sut/execute-job job ctx)))
      (is (= "x" (slurp (io/file dir "file"))))
      (is (sut/success? (sut/execute-job (m/work-dir job "sub") ctx)))
      (is (= "x" (slurp (io/file dir "sub/file"))))
      (is (sut/success? (sut/execute-job job (sut/with-job-dir ctx (str dir "/sub")))))
      (is (= (str dir "/sub\n")
             (:output (sut/execute-job (m/work-dir (m/bash "b" "pwd") "sub") ctx)))))))

(deftest containers-do-not-run
  (let [job (m/container-job "c" {:image "x" :script ["false"]})]
    (is (= {:status :success :job job} (sut/execute-job job sut/test-ctx)))
    (is (sut/container-job? job))
    (is (not (sut/action-job? job)))))

(deftest parameters-can-be-given
  (sut/with-build-params {"user" "me"}
    (is (= {"user" "me"} (m/build-params sut/test-ctx) (m/params {}) (api/build-params {})))
    (is (= {:status :success :message "me"}
           (run-action (fn [ctx] (m/with-message m/success (get (m/build-params ctx) "user")))))))
  (is (= {} (m/build-params sut/test-ctx))))

(deftest secrets-can-be-given
  (sut/with-secrets {"npm" "s3cret" :other "x"}
    (are [value ctx secret-name] (= value (m/secret ctx secret-name))
      "s3cret" sut/test-ctx "npm"
      "s3cret" {} "npm"
      "s3cret" sut/test-ctx :npm
      "x" sut/test-ctx "other"
      nil sut/test-ctx "unknown"
      nil {} "unknown")
    (testing "an action gets them"
      (is (= {:status :success :message "s3cret"}
             (run-action (fn [ctx] (m/with-message m/success (m/secret ctx "npm")))))))
    (testing "the innermost are all that there are"
      (sut/with-secrets {"npm" "inner"}
        (is (= ["inner" nil] (map #(m/secret {} %) ["npm" "other"]))))
      (is (= "s3cret" (m/secret {} "npm")))))
  (testing "and are gone afterwards, also after an exception"
    (is (thrown? IllegalStateException
                 (sut/with-secrets {"npm" "x"} (throw (IllegalStateException.)))))
    (is (nil? (m/secret sut/test-ctx "npm")))))

(deftest results-can-be-given-and-seen
  (sut/with-results {"coverage" 80 "notes" {:text "a" :tags #{:b}}}
    (are [value result-name] (= value (m/result sut/test-ctx result-name) (m/result {} result-name))
      80 "coverage"
      {:text "a" :tags #{:b}} "notes"
      nil "unknown")
    (testing "what a job saves is there"
      (is (sut/success? (sut/execute-job (m/action-job "measure" #(do (m/save-result % "coverage" 81)
                                                                     (m/save-result % "size" [1 2])
                                                                     nil))
                                         sut/test-ctx)))
      (is (= [81 [1 2]] (map #(m/result sut/test-ctx %) ["coverage" "size"])))
      (is (= [{:name "coverage" :media-type "application/edn" :size 2 :job-id "measure"}
              {:name "notes" :media-type "application/edn"}
              {:name "size" :media-type "application/edn" :size 5 :job-id "measure"}]
             (map #(cond-> % (= "notes" (:name %)) (dissoc :size)) (m/results sut/test-ctx)))))
    (testing "files and bytes come back as they are"
      (sut/with-tmp-dir dir
        (spit (io/file dir "report.txt") "all good\n")
        (is (= {:name "report" :media-type "text/plain" :size 9}
               (m/save-result sut/test-ctx "report" (io/file dir "report.txt") {:media-type "text/plain"}))))
      (is (= "all good\n" (m/result sut/test-ctx "report")))
      (m/save-result sut/test-ctx "bytes" (byte-array [1 2]))
      (is (= [1 2] (vec (m/result sut/test-ctx "bytes")))))
    (testing "nothing but results is answered"
      (is (= {} (m/build-params sut/test-ctx)))
      (is (thrown? clojure.lang.ExceptionInfo (m/build-params {})))))
  (is (nil? (m/result sut/test-ctx "coverage"))))

(deftest results-of-other-builds-can-be-given
  (sut/with-results-of :previous {"coverage" 80}
    (sut/with-results-of :last-success {"coverage" 79}
      (sut/with-results {}
        (m/save-result sut/test-ctx "coverage" 81)
        (are [value of] (= value (m/result sut/test-ctx "coverage" {:of of}))
          81 :this
          81 nil
          80 :previous
          79 :last-success)
        (is (= ["coverage"] (map :name (m/results sut/test-ctx {:of :previous}))))))
    (is (thrown? clojure.lang.ExceptionInfo (m/save-result sut/test-ctx "coverage" 1))
        "of a build that is over")))

(deftest temporary-folders-go-away
  (let [seen (atom nil)]
    (sut/with-tmp-dir [dir]
      (reset! seen dir)
      (spit (io/file dir "file") "x"))
    (is (not (.exists ^File (io/file @seen)))))
  (is (.isDirectory ^File (io/file (sut/checkout-dir (sut/with-tmp-checkout-dir sut/test-ctx))))))
