(ns monkey.ci.build.archive-test
  (:require [clojure.java.io :as io]
            [clojure.java.shell :as shell]
            [clojure.string :as str]
            [clojure.test :refer [are deftest is testing use-fixtures]]
            [monkey.ci.build.archive :as sut])
  (:import (java.io ByteArrayInputStream ByteArrayOutputStream File)
           (java.nio.file Files LinkOption)
           (java.nio.file.attribute FileAttribute)
           (java.util.zip GZIPOutputStream)))

(def ^:private no-attributes (make-array FileAttribute 0))

(def ^:dynamic ^File *folder* nil)

(use-fixtures :each
  (fn [run]
    (binding [*folder* (.toFile (Files/createTempDirectory "archive-test" no-attributes))]
      (try
        (run)
        (finally (sut/delete-tree *folder*))))))

;;; Archives as they should not be, made by hand

(defn- field [^ByteArrayOutputStream out ^String text size]
  (let [bs (.getBytes text "UTF-8")]
    (.write out bs 0 (int (min (alength bs) (long size))))
    (.write out (byte-array (max 0 (- (long size) (alength bs)))) 0 (int (max 0 (- (long size) (alength bs)))))))

(defn- header ^bytes [{:keys [name kind size link sum] :or {kind "0" link ""}}]
  (let [block (fn [sum]
                (let [out (ByteArrayOutputStream.)]
                  (field out name 100)
                  (field out "0000644" 8)
                  (field out "0000000" 8)
                  (field out "0000000" 8)
                  (field out (format "%011o" size) 12)
                  (field out "00000000000" 12)
                  (field out sum 8)
                  (field out kind 1)
                  (field out link 100)
                  (field out "ustar" 6)
                  (field out "00" 2)
                  (field out "" 247)
                  (.toByteArray out)))
        bare  (reduce + (map #(bit-and 0xff (long %)) (block "        ")))]
    (block (or sum (format "%06o\u0000 " bare)))))

(defn- tgz
  "An archive of entries `{:name :kind :text :link}`."
  ^bytes [entries]
  (let [bytes-out (ByteArrayOutputStream.)]
    (with-open [out (GZIPOutputStream. bytes-out)]
      (doseq [{:keys [text size] :as entry} entries]
        (let [body (.getBytes (str text) "UTF-8")]
          (.write out (header (assoc entry :size (or size (alength body)))))
          (.write out body)
          (.write out (byte-array (mod (- (alength body)) 512)))))
      (.write out (byte-array 1024)))
    (.toByteArray bytes-out)))

(defn- target ^File [] (io/file *folder* "target"))

(defn- content [name] (slurp (io/file (target) name)))

(def plain-entries
  [{:name "./" :kind "5"}
   {:name "./out/" :kind "5"}
   {:name "./out/junit.xml" :text "<testsuite/>"}
   {:name "./out/log.txt" :text "line\n"}
   {:name "readme" :text ""}
   {:name "out/link" :kind "2" :link "log.txt"}
   {:name "out/twin" :kind "1" :link "./out/log.txt"}])

(deftest an-archive-is-unpacked
  (is (= ["out/junit.xml" "out/log.txt" "readme" "out/link" "out/twin"]
         (sut/extract (tgz plain-entries) (target))))
  (is (= "<testsuite/>" (content "out/junit.xml")))
  (is (= "" (content "readme")))
  (is (= "line\n" (content "out/link") (content "out/twin")))
  (is (Files/isSymbolicLink (.toPath (io/file (target) "out/link")))))

(deftest only-what-is-chosen-is-unpacked
  (are [choice found] (= found (do (sut/delete-tree (target))
                                   (sut/extract (tgz plain-entries) (target) choice)))
    "out/junit.xml" ["out/junit.xml"]
    "./out/junit.xml" ["out/junit.xml"]
    #".*\.(xml|txt)" ["out/junit.xml" "out/log.txt"]
    #"out" []
    #(str/starts-with? % "re") ["readme"]))

(deftest an-archive-is-listed-and-read-without-unpacking
  (is (= ["out/junit.xml" "out/log.txt" "readme" "out/link" "out/twin"]
         (sut/list-files (ByteArrayInputStream. (tgz plain-entries)))))
  (is (= "<testsuite/>" (sut/extract+read (tgz plain-entries) "out/junit.xml")))
  (is (= "<testsuite/>" (sut/extract+read (tgz plain-entries) #"out/.*")))
  (is (nil? (sut/extract+read (tgz plain-entries) "junit.xml")))
  (is (= ["<testsuite/>" "line\n"] (sut/extract+read-all (tgz plain-entries) #"out/.*")))
  (is (= [] (sut/extract+read-all (tgz plain-entries) #"none"))))

(deftest what-tar-writes-is-read
  (let [source (io/file *folder* "source")
        long-name (str (str/join "/" (repeat 8 "a-folder-with-a-long-name")) "/file.txt")]
    (doseq [[name text] {"a.txt" "a", long-name "deep", "ümlaut" "u", "run.sh" "#!/bin/sh\n"
                         "big" (str/join (repeat 100000 "0123456789"))}]
      (io/make-parents (io/file source name))
      (spit (io/file source name) text))
    (.setExecutable (io/file source "run.sh") true)
    (doseq [format ["gnu" "pax" "ustar"]]
      (testing format
        (let [file (io/file *folder* (str format ".tgz"))]
          (is (zero? (:exit (shell/sh "tar" (str "--format=" format) "-czf" (str file) "-C" (str source) "."))))
          (is (= "deep" (sut/extract+read file long-name)))
          (is (= "u" (sut/extract+read file "ümlaut")))
          (is (= 1000000 (count (sut/extract+read (str file) "big"))))
          (sut/delete-tree (target))
          (sut/extract file (target) #"a.*|run.sh")
          (is (= "deep" (content long-name)))
          (is (.canExecute (io/file (target) "run.sh")))
          (is (not (.canExecute (io/file (target) "a.txt")))))))))

(defn- refused [entries]
  (try
    (str (sut/extract (tgz entries) (target)))
    (catch clojure.lang.ExceptionInfo e
      (ex-message e))))

(deftest entries-that-leave-the-target-are-refused
  (are [entries words] (str/includes? (refused entries) words)
    [{:name "../evil" :text "x"}] "leads out of the target"
    [{:name "a/../../evil" :text "x"}] "leads out of the target"
    [{:name (str *folder* "/evil") :text "x"}] "is an absolute name"
    [{:name "/evil" :kind "5"}] "is an absolute name"
    [{:name "l" :kind "2" :link "/etc"}] "is a link to outside"
    [{:name "l" :kind "2" :link "../evil"}] "is a link to outside"
    [{:name "a/l" :kind "2" :link "../../evil"}] "is a link to outside"
    [{:name "d" :kind "2" :link "."} {:name "l" :kind "2" :link "d/../evil"}] "is a link to outside"
    [{:name "d" :kind "2" :link "."} {:name "d/d/d/l" :kind "2" :link "../../evil"}] "is a link to outside"
    [{:name "h" :kind "1" :link "../evil"}] "leads out of the target"
    [{:name "h" :kind "1" :link "/etc/passwd"}] "is an absolute name"
    [{:name "h" :kind "1" :link "nothing"}] "is a link to what is not in it"
    [{:name "dev" :kind "3"}] "is neither file nor folder nor link"
    [{:name "fifo" :kind "6"}] "is neither file nor folder nor link"
    [{:name "a" :text "x"} {:name "a/b" :text "y"}] "is a file and a folder"
    [{:name "a/b" :text "x"} {:name "a" :text "y"}] "is a file and a folder")
  (is (not (.exists (io/file *folder* "evil")))))

(deftest nothing-is-written-through-links-that-were-there
  (let [outside (io/file *folder* "outside")]
    (.mkdirs outside)
    (.mkdirs (target))
    (Files/createSymbolicLink (.toPath (io/file (target) "way")) (.toPath outside) no-attributes)
    (is (str/includes? (refused [{:name "way/evil" :text "x"}]) "leads out of the target through a link"))
    (is (empty? (.list outside)))
    (testing "but the link itself is replaced"
      (refused [{:name "way" :text "x"}])
      (is (= "x" (content "way")))
      (is (empty? (.list outside))))))

(deftest damaged-archives-are-refused
  (let [good (tgz plain-entries)]
    (are [bs] (thrown? Exception (sut/extract bs (target)))
      (byte-array 0)
      (.getBytes "no archive at all")
      (java.util.Arrays/copyOf good (- (alength good) 40))
      (tgz [{:name "a" :text "x" :sum "000000\u0000 "}])
      (tgz [{:name "a" :text "x" :size 5000}])
      (tgz [{:name "h" :kind "x" :text "12 path"}])
      (tgz [{:name "h" :kind "x" :text "9999 path=a\n"}]))))

(deftest limits-hold
  (let [read-with (fn [options] (sut/extract+read-all (tgz plain-entries) #"out/.*" options))]
    (are [options words] (thrown-with-msg? clojure.lang.ExceptionInfo words (read-with options))
      {:max-entries 3} #"more than 3 entries"
      {:max-bytes 15} #"more than 15 bytes"
      {:max-read 5} #"larger than 5 bytes"
      {:max-name 3} #"name in it is too long")
    (testing "a file that only says it is large is not waited for"
      (is (thrown-with-msg? clojure.lang.ExceptionInfo #"larger than"
                            (sut/extract+read (tgz [{:name "a" :text "x" :size 8000000000}]) "a"))))))

(deftest the-source-is-closed
  (let [closed? (atom false)
        stream  (proxy [ByteArrayInputStream] [^bytes (tgz plain-entries)]
                  (close [] (reset! closed? true)))]
    (sut/list-files stream)
    (is @closed?)))

(deftest trees-are-deleted-without-following-links
  (let [kept (io/file *folder* "kept/file")
        gone (io/file *folder* "gone")]
    (io/make-parents kept)
    (spit kept "x")
    (.mkdirs (io/file gone "deep/er"))
    (Files/createSymbolicLink (.toPath (io/file gone "deep/link")) (.toPath (.getParentFile kept)) no-attributes)
    (sut/delete-tree gone)
    (is (not (Files/exists (.toPath gone) (into-array LinkOption [LinkOption/NOFOLLOW_LINKS]))))
    (is (.exists kept))
    (sut/delete-tree gone)))
