(ns monkey.ci.script.edn
  "EDN as it travels between a script and its runner.

  What we write is always strict EDN, one physical line a value, whatever the value was: see
  `sanitise`. What we read may be what other programs print: see `read-lenient`."
  (:require [clojure.edn :as edn]
            [clojure.string :as str])
  (:import (java.io File)
           (java.time Instant)
           (java.util Date UUID)
           (java.util.regex Pattern)))

;;; Reading

(defn- as-plain-text
  "The same text with what is no EDN (regex literals, var quotes) turned into strings and symbols."
  [^String text]
  (let [out (StringBuilder.)
        end (count text)
        at  (fn [i] (when (< (long i) end) (.charAt text (int i))))]
    (loop [i 0, state :code]
      (when (< i end)
        (let [c (.charAt text (int i))
              n (at (inc i))]
          (case state
            :code
            (cond
              (and (= \# c) (= \" n)) (do (.append out \") (recur (+ i 2) :regex))
              (and (= \# c) (= \' n)) (recur (+ i 2) :code)
              (and (= \\ c) n) (do (.append out c) (.append out (char n)) (recur (+ i 2) :code))
              :else (do (.append out c) (recur (inc i) (if (= \" c) :string :code))))

            :string
            (if (and (= \\ c) n)
              (do (.append out c) (.append out (char n)) (recur (+ i 2) :string))
              (do (.append out c) (recur (inc i) (if (= \" c) :code :string))))

            :regex
            (cond
              (and (= \\ c) (= \" n)) (do (.append out "\\\"") (recur (+ i 2) :regex))
              (and (= \\ c) n) (do (.append out "\\\\")
                                   (if (= \\ n) (.append out "\\\\") (.append out (char n)))
                                   (recur (+ i 2) :regex))
              :else (do (.append out c) (recur (inc i) (if (= \" c) :code :regex))))))))
    (str out)))

(def ^:private lenient {:default tagged-literal :eof nil})

(defn read-lenient
  "Reads the first value of a text. Unknown tags become tagged literals and regex literals
  strings; nil when there is nothing. Throws when the text is not even nearly EDN."
  [text]
  (when text
    (try
      (edn/read-string lenient text)
      (catch Exception e
        (let [plain (as-plain-text text)]
          (if (= plain text)
            (throw e)
            (edn/read-string lenient plain)))))))

;;; Making values strict

(def ^:private deepest
  "Values nested deeper than this are written as text."
  200)

(def ^:private longest-seq
  "Elements of a lazy sequence that are kept: it may have no end."
  100000)

(defn- readable-name? [s]
  (boolean (re-matches #"[A-Za-z*+!_?$%&=<>.\-][A-Za-z0-9*+!_?$%&=<>.#'\-]*(/[A-Za-z*+!_?$%&=<>.\-][A-Za-z0-9*+!_?$%&=<>.#'\-]*)?"
                       s)))

(defn- strict-keyword [k]
  (let [text (subs (str k) 1)]
    (if (or (readable-name? text) (re-matches #"[0-9][A-Za-z0-9_\-]*" text)) k (str k))))

(defn- strict-symbol [s]
  (let [text (str s)]
    (if (and (readable-name? text) (not (re-find #"^[+\-.][0-9]" text))) s text)))

(defn- function-name [f]
  (let [class-name (.getName (class f))]
    (str "fn " (-> class-name
                   (str/replace #"__\d+(?=$|\$)" "")
                   (str/replace "$" "/")
                   (str/replace "_" "-")))))

(defn- array? [x]
  (and (some? x) (str/starts-with? (.getName (class x)) "[")))

(defn sanitise
  "The value as data that any EDN reader reads: records become maps, regular expressions and files
  their text, exceptions maps of `:class`, `:message` and `:data`, and what cannot be written at
  all (functions, atoms, streams …) a string that names it."
  ([x] (sanitise x 0))
  ([x depth]
   (let [inner #(sanitise % (inc (long depth)))]
     (cond
       (or (nil? x) (string? x) (boolean? x) (number? x) (char? x)
           (instance? Date x) (instance? Instant x) (instance? UUID x)) x
       (keyword? x) (strict-keyword x)
       (symbol? x) (strict-symbol x)
       (> (long depth) (long deepest)) "…"
       (map? x) (into {} (map (fn [[k v]] [(inner k) (inner v)])) x)
       (vector? x) (mapv inner x)
       (set? x) (into #{} (map inner) x)
       (sequential? x) (map inner (doall (take longest-seq x)))
       (instance? java.util.Map x) (into {} (map (fn [e] [(inner (key e)) (inner (val e))])) x)
       (instance? java.util.Set x) (into #{} (map inner) x)
       (instance? java.util.List x) (mapv inner x)
       (instance? Throwable x) (cond-> {:class (.getName (class x)) :message (ex-message x)}
                                 (seq (ex-data x)) (assoc :data (inner (ex-data x))))
       (instance? Pattern x) (str x)
       (instance? File x) (str x)
       (array? x) (mapv inner (seq x))
       (var? x) (subs (str x) 2)
       (fn? x) (function-name x)
       (tagged-literal? x) (str "#" (:tag x) " " (pr-str (inner (:form x))))
       (instance? clojure.lang.IDeref x) (str "object " (.getName (class x)))
       :else (str x)))))

;;; Writing

(def ^:private hex "0123456789abcdef")

(defn- write-code-point [^StringBuilder out c]
  (let [n (int c)]
    (.append out "\\u")
    (doseq [shift [12 8 4 0]]
      (.append out (.charAt ^String hex (int (bit-and 15 (bit-shift-right n (int shift)))))))))

(defn- lone-surrogate?
  "Half a character, which UTF-8 cannot carry."
  [^String s i]
  (let [c (.charAt s (int i))
        i (long i)]
    (cond
      (Character/isHighSurrogate c)
      (not (and (< (inc i) (count s)) (Character/isLowSurrogate (.charAt s (int (inc i))))))

      (Character/isLowSurrogate c)
      (not (and (pos? i) (Character/isHighSurrogate (.charAt s (int (dec i)))))))))

(defn- write-string [^StringBuilder out ^String s]
  (.append out \")
  (dotimes [i (count s)]
    (let [c (.charAt s i)]
      (case c
        \" (.append out "\\\"")
        \\ (.append out "\\\\")
        \newline (.append out "\\n")
        \return (.append out "\\r")
        \tab (.append out "\\t")
        (cond
          (or (< (int c) 32) (= 127 (int c)) (<= 0x2028 (int c) 0x2029)) (write-code-point out c)
          (lone-surrogate? s i) (.append out "?")
          :else (.append out c)))))
  (.append out \"))

(defn- write-char [^StringBuilder out c]
  (if (re-matches #"[A-Za-z0-9]" (str c))
    (do (.append out \\) (.append out (char c)))
    (case (char c)
      \newline (.append out "\\newline")
      \space (.append out "\\space")
      \tab (.append out "\\tab")
      \return (.append out "\\return")
      (if (Character/isSurrogate (char c))
        (write-string out "?")
        (write-code-point out c)))))

(declare write-value)

(defn- write-all [^StringBuilder out open xs close]
  (.append out ^String open)
  (reduce (fn [first? x]
            (when-not first? (.append out \space))
            (write-value out x)
            false)
          true xs)
  (.append out ^String close))

(defn- write-map [^StringBuilder out m]
  (.append out \{)
  (reduce-kv (fn [first? k v]
               (when-not first? (.append out \space))
               (write-value out k)
               (.append out \space)
               (write-value out v)
               false)
             true m)
  (.append out \}))

(defn- write-value [^StringBuilder out x]
  (cond
    (nil? x) (.append out "nil")
    (string? x) (write-string out x)
    (keyword? x) (.append out (str x))
    (or (boolean? x) (symbol? x)) (.append out (str x))
    (number? x) (.append out (pr-str x))
    (map? x) (write-map out x)
    (vector? x) (write-all out "[" x "]")
    (set? x) (write-all out "#{" x "}")
    (sequential? x) (write-all out "(" x ")")
    (char? x) (write-char out x)
    (instance? Instant x) (.append out (str "#inst \"" x "\""))
    (instance? Date x) (.append out (str "#inst \"" (Instant/ofEpochMilli (.getTime ^Date x)) "\""))
    (instance? UUID x) (.append out (str "#uuid \"" x "\""))
    :else (write-string out (str x))))

(defn write-strict
  "The value as one line of strict EDN (see `sanitise` for what becomes of values that are none)."
  [x]
  (let [out (StringBuilder.)]
    (write-value out (sanitise x))
    (str out)))
