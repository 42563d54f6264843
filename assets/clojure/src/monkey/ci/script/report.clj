(ns monkey.ci.script.report
  "What people are told of a script that does not load: where, what, and the line itself.

      build.clj:4:2: Unable to resolve symbol: action-jbo in this context
         |
       4 | (action-jbo \"test\" run)
         |  ^
      did you mean action-job?"
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [monkey.ci.script.load :as load])
  (:import (java.io File PushbackReader)))

;;; The line

(defn- source-line [^File file n]
  (when (.isFile file)
    (with-open [reader (io/reader file)]
      (nth (line-seq reader) (dec n) nil))))

(def ^:private longest-line 200)

(defn- snippet
  "The line with a number before it and a mark below it; nil when it cannot be had."
  [script-dir {:keys [file line column]}]
  (when-let [text (source-line (io/file script-dir file) line)]
    (when (<= (count text) longest-line)
      (let [margin (str/join (repeat (count (str line)) " "))
            ;; A tab before the mark is as wide as the one above it.
            before (when (and column (<= 1 column (inc (count text))))
                     (str/replace (subs text 0 (dec column)) #"[^\t]" " "))]
        (str/join "\n" (cond-> [(str " " margin " |")
                                (str/trimr (str " " line " | " text))]
                         before (conj (str " " margin " | " before "^"))))))))

;;; What may have been meant

(defn- distance
  "How many letters have to be changed, added, left out, or swapped with their neighbour."
  [a b]
  (let [next-row (fn [[older above] i]
                   (let [row (reduce (fn [row j]
                                       (let [same (= (nth a (dec i)) (nth b (dec j)))
                                             best (min (inc (peek row))
                                                       (inc (nth above j))
                                                       (+ (nth above (dec j)) (if same 0 1)))]
                                         (conj row
                                               (if (and older (> i 1) (> j 1)
                                                        (= (nth a (dec i)) (nth b (- j 2)))
                                                        (= (nth a (- i 2)) (nth b (dec j))))
                                                 (min best (inc (nth older (- j 2))))
                                                 best))))
                                     [i]
                                     (range 1 (inc (count b))))]
                     [above row]))
        [_ row]  (reduce next-row [nil (vec (range (inc (count b))))] (range 1 (inc (count a))))]
    (peek row)))

(defn- file-ns
  "The namespace that a file declares, when it was made."
  [^File file]
  (try
    (with-open [reader (PushbackReader. (io/reader file))]
      (let [form (binding [*read-eval* false] (read reader))]
        (when (and (seq? form) (= 'ns (first form)))
          (find-ns (second form)))))
    (catch Exception _ nil)))

(defn- unknown-symbol [reason]
  (some->> (or (re-find #"Unable to resolve symbol: (\S+)" reason)
               (re-find #"No such var: (\S+)" reason))
           second
           symbol))

(defn- names-for
  "The names that could stand where the unknown one does."
  [ns sym]
  (if-let [alias (namespace sym)]
    (let [target (or (get (ns-aliases ns) (symbol alias)) (find-ns (symbol alias)))]
      (map #(str alias "/" %) (some-> target ns-publics keys)))
    (map str (keys (ns-map ns)))))

(defn- suggestion [script-dir {:keys [file]} reason]
  (when-let [sym (unknown-symbol reason)]
    (let [ns    (or (file-ns (io/file script-dir file)) (find-ns 'user))
          typed (str sym)
          near  (fn [name] (when (<= (abs (- (count name) (count typed))) 2)
                             (let [d (distance typed name)]
                               (when (<= d (if (< (count typed) 5) 1 2)) [d name]))))]
      (some->> (names-for ns sym) (keep near) sort first second))))

(defn report
  "What went wrong, on as many lines as it takes."
  [script-dir e]
  (let [{:keys [file line column] :as where} (load/whereabouts script-dir e)
        reason (load/reason e)]
    (if-not where
      reason
      (let [meant (suggestion script-dir where reason)]
        (str/join "\n" (remove nil? [(str (str/join ":" (remove nil? [file line column])) ": " reason)
                                     (snippet script-dir where)
                                     (when meant (str "did you mean " meant "?"))]))))))
