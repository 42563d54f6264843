(ns monkey.ci.xml
  "A small reader of XML, safe for files from anywhere: what test reports need of it, no more.

  Knows elements, attributes, text, CDATA, comments, processing instructions, the five entities
  everybody knows and numeric references. A document type is skipped, never read: entities it
  declares stay as they are written, nothing is fetched or expanded."
  (:require [clojure.string :as str]))

(defn- broken [at reason]
  (throw (ex-info (str "no XML at character " at ": " reason) {:type ::broken :at at})))

(def ^:private known-entities
  {"amp" "&", "lt" "<", "gt" ">", "quot" "\"", "apos" "'"})

(defn- character [digits radix]
  (let [n (try (Long/parseLong digits (int radix)) (catch NumberFormatException _ 0))]
    (when (and (< 0 n 0x110000) (not (<= 0xD800 n 0xDFFF)))
      (String. (Character/toChars (int n))))))

(defn- entity
  "The text an entity stands for; nil for one that is not known."
  [name]
  (or (known-entities name)
      (when-let [[_ digits] (re-matches #"#x([0-9a-fA-F]{1,8})" name)] (character digits 16))
      (when-let [[_ digits] (re-matches #"#([0-9]{1,9})" name)] (character digits 10))))

(defn- dangling?
  "Whether an `&` begins no reference."
  [text]
  (some? (re-find #"&(?![^&;<]+;)" text)))

(defn- unescape
  "Puts the characters in place that entities stand for. What is not known becomes `(unknown all)`
  with `all` being the reference as written."
  [^String text unknown]
  (if (str/includes? text "&")
    (str/replace text #"&([^&;<]+);" (fn [[all name]] (or (entity name) (unknown all))))
    text))

(defn- unescape-text [text at]
  (when (dangling? text)
    (broken at "an & that begins no reference"))
  (unescape text identity))

(defn- unescape-value
  "An attribute's value; as written when one of its entities is not known."
  [text]
  (let [unknown? (volatile! (dangling? text))
        value    (unescape text (fn [all] (vreset! unknown? true) all))]
    (if @unknown? text value)))

(defn- local-name [^String name]
  (let [colon (.indexOf name ":")]
    (if (neg? colon) name (subs name (inc colon)))))

(defn- space? [c]
  (contains? #{\space \newline \tab \return} c))

(defn- skip [^String text pred from]
  (let [end (count text)]
    (loop [i (long from)]
      (if (and (< i end) (pred (.charAt text i))) (recur (inc i)) i))))

(defn- attributes-of
  "The attributes in the inside of a tag, as pairs of local name and value, in order. What follows
  a broken one is left out."
  [^String tag from]
  (loop [at from, found []]
    (let [start (long (skip tag space? at))
          stop  (long (skip tag #(not (or (space? %) (= \= %))) start))
          equal (long (skip tag space? stop))]
      (if (and (< start stop) (< equal (count tag)) (= \= (.charAt tag equal)))
        (let [open  (long (skip tag space? (inc equal)))
              quote (when (< open (count tag)) (.charAt tag open))
              close (if (#{\" \'} quote) (.indexOf tag (int quote) (int (inc open))) -1)]
          (if (neg? close)
            found
            (recur (inc close)
                   (conj found [(local-name (subs tag start stop))
                                (unescape-value (subs tag (inc open) close))]))))
        found))))

(defn- tag-end
  "Where a tag's `>` is: one inside a quoted value does not count."
  [^String text from]
  (let [end (count text)]
    (loop [i (long from), quote nil]
      (if (< i end)
        (let [c (.charAt text i)]
          (cond
            quote (recur (inc i) (if (= (char quote) c) nil quote))
            (or (= \" c) (= \' c)) (recur (inc i) c)
            (= \> c) i
            :else (recur (inc i) nil)))
        (broken from "a tag does not end")))))

(defn- doctype-end
  "The place behind a document type: as many `>` as `<`."
  [^String text from]
  (let [end (count text)]
    (loop [i (long from), depth 0]
      (if (< i end)
        (let [c (.charAt text i)]
          (cond
            (= \< c) (recur (inc i) (inc depth))
            (and (= \> c) (= 1 depth)) (inc i)
            (= \> c) (recur (inc i) (dec depth))
            :else (recur (inc i) depth)))
        (broken from "the document type does not end")))))

(defn- behind
  "The place behind the next `closing`."
  [^String text ^String closing from what]
  (let [at (.indexOf text closing (int from))]
    (if (neg? at)
      (broken from (str what " does not end"))
      (+ at (count closing)))))

(defn- open-tag [text at end]
  (let [inner  (subs text (inc (long at)) end)
        empty? (str/ends-with? inner "/")
        inner  (if empty? (subs inner 0 (dec (count inner))) inner)
        stop   (long (skip inner (complement space?) 0))]
    (when (zero? stop)
      (broken at "a tag without a name"))
    {:name       (subs inner 0 stop)
     :attributes (attributes-of inner stop)
     :empty?     empty?}))

(defn parse
  "Reads a document and calls `(f state event)` for each thing found, to get the next state:

      [:open \"local-name\" [[\"attribute\" \"value\"] …] depth]   ; depth 0: the first element
      [:close \"local-name\"]
      [:text \"…\"]

  Gives the last state. Throws when the text is no XML, or ends in the middle of an element."
  [^String text f state]
  (let [end (count text)]
    (loop [at 0, open (), state state]
      (if (< at end)
        (let [tag (.indexOf text (int \<) (int at))]
          (cond
            (neg? tag)
            (recur end open (f state [:text (unescape-text (subs text at) at)]))

            (< at tag)
            (recur tag open (f state [:text (unescape-text (subs text at tag) at)]))

            (.startsWith text "<!--" (int tag))
            (recur (long (behind text "-->" (+ tag 4) "a comment")) open state)

            (.startsWith text "<![CDATA[" (int tag))
            (let [stop (long (behind text "]]>" (+ tag 9) "a CDATA section"))]
              (recur stop open (f state [:text (subs text (+ tag 9) (- stop 3))])))

            (.startsWith text "<?" (int tag))
            (recur (long (behind text "?>" (+ tag 2) "an instruction")) open state)

            (.startsWith text "<!" (int tag))
            (if (re-matches #"(?i)<!doctype" (subs text tag (min end (+ tag 9))))
              (recur (long (doctype-end text tag)) open state)
              (broken tag "a declaration that is not known"))

            (.startsWith text "</" (int tag))
            (let [stop (long (tag-end text (+ tag 2)))
                  name (str/trimr (subs text (+ tag 2) stop))]
              (cond
                (empty? open) (broken tag (str "</" name "> closes nothing"))
                (not= name (first open)) (broken tag (str "</" name "> where </" (first open)
                                                          "> is expected"))
                :else (recur (inc stop) (rest open) (f state [:close (local-name name)]))))

            :else
            (let [stop  (long (tag-end text (inc tag)))
                  {:keys [name attributes empty?]} (open-tag text tag stop)
                  state (f state [:open (local-name name) attributes (count open)])]
              (if empty?
                (recur (inc stop) open (f state [:close (local-name name)]))
                (recur (inc stop) (conj open name) state)))))
        (if (seq open)
          (broken end "the file ends in the middle")
          state)))))
