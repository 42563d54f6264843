(ns monkey.ci.junit-test
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [are deftest is testing]]
            [monkey.ci.build.archive :as archive]
            [monkey.ci.ext.junit]
            [monkey.ci.extensions :as ext]
            [monkey.ci.junit :as sut]
            [monkey.ci.xml :as xml])
  (:import (java.io File)
           (java.nio.file Files)
           (java.nio.file.attribute FileAttribute)))

;; The inputs of the program's own tests (src/script/junit_tests.rs): both give the same.
(def report "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE x [ <!ENTITY bomb \"boom\"> ]>
<testsuites tests=\"9\" time=\"2\">
  <testsuite name=\"my.ns\" tests=\"3\" failures=\"1\" errors=\"0\" time=\"1,001.25\" hostname=\"h\">
    <properties><property name=\"a\" value=\"b\"/></properties>
    <testcase name=\"adds\" classname=\"my.ns\" time=\"0.01\"/>
    <testcase name=\"fails &lt;here&gt;\" time=\"0.02\">
      <failure message=\"m &amp; n\" type=\"t\">expected &lt;1&gt; &#33; &bomb;
<![CDATA[<raw>]]></failure>
    </testcase>
    <testcase name=\"later\"><skipped message=\"not now\"/></testcase>
    <system-out>noise</system-out>
  </testsuite>
  <testsuite name=\"outer\">
    <testsuite name=\"inner\"><testcase name=\"x\"><error message=\"e\"/></testcase></testsuite>
  </testsuite>
</testsuites>")

(deftest suites-and-cases-have-the-shape-of-the-protocol
  (is (= [{:name "my.ns" :tests "3" :failures "1" :errors "0" :time 1001.25 :hostname "h"
           :test-cases
           [{:test-case "adds" :class-name "my.ns" :time 0.01}
            {:test-case "fails <here>" :time 0.02
             :failures [{:message "m & n" :type "t"
                         :description "expected <1> ! &bomb;\n<raw>"}]}
            {:test-case "later" :skipped true}]}
          {:name "inner" :tests "1" :failures "0" :errors "1"
           :test-cases [{:test-case "x" :errors [{:message "e"}]}]}]
         (sut/parse report))))

(deftest one-suite-may-be-the-root
  (is (= [{:name "s" :tests "1" :failures "0" :errors "0" :test-cases [{:test-case "c"}]}]
         (sut/parse "\uFEFF<testsuite name='s'><testcase name='c'/></testsuite>"))))

(deftest hostile-files-are-refused
  (doseq [text ["" "not xml" "<html></html>" "<testsuites><testsuite>" "<testsuite></testcase>"
                "\uFFFD\uFFFD\u0000" (str "<testsuites>" (str/join (repeat 100000 "<a>")))
                "<testsuite a='<testcase/>" "<testsuite>&</testsuite>" "<testsuite><![CDATA[x</testsuite>"
                "<testsuite><!-- </testsuite>" "<!DOCTYPE x [ <testsuite/>" "<testsuite/><" "< testsuite/>"
                (str "<testsuite>" (str/join (repeat 50001 "<testcase/>")) "</testsuite>")]]
    (is (thrown? clojure.lang.ExceptionInfo (sut/parse text)) (subs text 0 (min 40 (count text))))))

(deftest what-is-odd-but-xml-is-read
  (are [text cases] (= cases (:test-cases (first (sut/parse text))))
    "<testsuite><testcase name=\"a>b\"/></testsuite>" [{:test-case "a>b"}]
    "<testsuite><testcase\n\tname = 'x'\r\n/></testsuite >" [{:test-case "x"}]
    "<testsuite><testcase name='&bomb;&lt;'/></testsuite>" [{:test-case "&bomb;&lt;"}]
    "<testsuite><testcase name='&#x1F600;&#65;'/></testsuite>" [{:test-case "😀A"}]
    "<testsuite><testcase name='&#0;'/></testsuite>" [{:test-case "&#0;"}]
    "<testsuite><testcase name='a' time='soon'/></testsuite>" [{:test-case "a"}]
    "<testsuite><testcase name='a' time='-1'/></testsuite>" [{:test-case "a"}]
    "<j:testsuite xmlns:j='x'><j:testcase j:name='a'/></j:testsuite>" [{:test-case "a"}]
    "<testsuite><!-- <testcase/> --><?pi <testcase/> ?></testsuite>" []))

(deftest a-document-type-is-never-acted-upon
  (let [secret (File/createTempFile "junit" "secret")]
    (try
      (spit secret "the secret")
      (is (= [{:test-case "&x;" :failures [{:description "&x;"}]}]
             (:test-cases
              (first
               (sut/parse (str "<!DOCTYPE t [<!ENTITY x SYSTEM \"" (.toURI secret) "\">]>"
                               "<testsuite><testcase name=\"&x;\"><failure>&x;</failure></testcase></testsuite>"))))))
      (finally
        (.delete secret)))))

(deftest a-long-description-is-cut
  (let [parse #(-> (str "<testsuite><testcase><failure>" % "</failure></testcase></testsuite>")
                   sut/parse first :test-cases first :failures first :description)]
    (is (= (* 16 1024) (count (parse (str/join (repeat 1000000 "x"))))))
    (testing "without cutting a character in half"
      (is (= (dec (* 16 1024)) (count (parse (str "x" (str/join (repeat 20000 "😀"))))))))))

(deftest any-text-is-read-or-refused-quickly
  (let [random (java.util.Random. 42)
        pieces ["<" ">" "/" "&" ";" "\"" "'" "=" "!" "[" "]" "--" "<![CDATA[" "]]>" "<?" "?>" " " "a"
                "<testsuite>" "</testsuite>" "<testcase name=\"" "\"/>" "&#33;" "<!DOCTYPE"]]
    (dotimes [_ 3000]
      (let [text (str/join (repeatedly (.nextInt random 30) #(nth pieces (.nextInt random (count pieces)))))]
        (is (or (try
                  (vector? (sut/parse text))
                  (catch clojure.lang.ExceptionInfo _ true)))
            text)))))

(deftest events-come-in-order
  (is (= [[:open "a" [["b" "1"]] 0] [:text "t"] [:open "c" [] 1] [:close "c"] [:text "<"] [:close "a"]]
         (xml/parse "<a b='1'>t<c/><![CDATA[<]]></a>" conj []))))

;;; Files

(def ^:private no-attributes (make-array FileAttribute 0))

(defn- temporary-folder ^File []
  (.toFile (Files/createTempDirectory "junit-test" no-attributes)))

(defn- write-files [folder names]
  (doseq [name names]
    (let [file (io/file folder name)]
      (io/make-parents file)
      (spit file (str "<testsuite name='" name "'><testcase name='c'/></testsuite>")))))

(defmacro ^:private with-folder [[folder names] & body]
  `(let [~folder (temporary-folder)]
     (try
       (write-files ~folder ~names)
       ~@body
       (finally (archive/delete-tree ~folder)))))

(defn- names [folder config]
  (try
    (map :name (sut/collect folder config))
    (catch clojure.lang.ExceptionInfo e
      (ex-message e))))

(deftest files-are-found-wherever-the-artifact-was-unpacked
  (with-folder [folder ["junit.xml" "out/a.xml" "out/b.xml" "out/c.txt"]]
    (are [config found] (= found (names folder config))
      {:path "junit.xml"} ["junit.xml"]
      {:path "target/junit.xml"} ["junit.xml"]
      {:path "a.xml"} ["out/a.xml"]
      {:path "out"} ["out/a.xml" "out/b.xml"]
      {:path "../../junit.xml"} ["junit.xml"]
      {:path "out" :pattern #"b\.xml"} ["out/b.xml"]
      {:pattern "[ab]\\.xml"} ["out/a.xml" "out/b.xml"]
      {:pattern #"[ab]\.xml"} ["out/a.xml" "out/b.xml"]
      {:pattern #"c\.txt"} ["out/c.txt"]
      {} ["junit.xml" "out/a.xml" "out/b.xml"])))

(deftest what-is-missing-is-named
  (with-folder [folder ["junit.xml"]]
    (is (= "the artifact has no file other.xml" (names folder {:path "other.xml"})))
    (is (= "the pattern \"(\" is not understood" (names folder {:pattern "("})))))

(deftest links-are-not-followed
  (with-folder [folder ["a/x.xml"]]
    (let [link (fn [name target]
                 (Files/createSymbolicLink (.toPath (io/file folder name)) (.toPath (io/file target))
                                           no-attributes))]
      (link "evil.xml" "/etc/hosts")
      (link "a/loop" folder)
      (is (= ["a/x.xml"] (names folder {}))))))

;;; The extension

(defn- runner
  "A runner that restores these files for any artifact but `absent`."
  [files asked]
  (fn [{:keys [path query] :as req}]
    (swap! asked conj req)
    (if (= "absent" (peek path))
      {:status 204 :headers {} :body (byte-array 0)}
      (do (write-files (get query "path") files)
          {:status 200 :headers {"content-type" "application/edn"} :body (.getBytes "{:path \"x\"}")}))))

(defn- after [config files asked]
  (:result (:job (ext/apply-extensions-after
                  {:job {:id "unit tests" :type :container :junit config :result {:exit 0}}
                   :api {:client (runner files asked)}}))))

(deftest the-result-gets-the-tests-of-the-artifact
  (let [asked (atom [])]
    (is (= {:exit 0
            :monkey.ci/tests [{:name "junit.xml" :tests "1" :failures "0" :errors "0"
                               :test-cases [{:test-case "c"}]}]}
           (after {:artifact-id "report" :path "junit.xml"} ["junit.xml"] asked)))
    (let [{:keys [method path query headers]} (first @asked)]
      (is (= [:get ["artifact" "unit tests" "report"]] [method path]))
      (is (= "unit%20tests" (get headers "MonkeyCI-Job")))
      (testing "the folder was private, and is gone"
        (is (.isAbsolute (io/file (get query "path"))))
        (is (not (.exists (io/file (get query "path")))))))))

(deftest the-artifact-may-be-named-by-id-and-the-files-by-pattern
  (is (= ["a/TEST-1.xml"]
         (map :name (:monkey.ci/tests (after {:id "report" :pattern #"TEST"} ["a/TEST-1.xml" "b.xml"] (atom [])))))))

(deftest missing-results-are-a-warning
  (are [config message] (= {:exit 0 :warnings [{:message message}]} (after config ["a.xml"] (atom [])))
    {:artifact-id "absent"} "no test results: there is no artifact \"absent\""
    {:artifact-id "r" :path "b.xml"} "no test results: the artifact has no file b.xml"
    {:path "a.xml"} "no test results: junit needs an artifact-id"
    true "no test results: junit needs an artifact-id"))

(deftest an-extension-of-the-scripts-own-is-preferred
  (ext/with-extensions
    (ext/register! {:key :junit :after #(ext/set-value % :mine true)})
    (is (= {:exit 0 :mine true} (after {:artifact-id "report"} ["a.xml"] (atom []))))))

(deftest it-can-be-registered-ahead
  (ext/with-extensions
    (sut/register!)
    (is (= 1 (count (:monkey.ci/tests (after {:artifact-id "report"} ["a.xml"] (atom []))))))))
