(ns monkey.ci.junit
  "Test results from JUnit files: the extension `:junit`.

      (-> (container-job \"test\" {:image \"docker.io/maven:3\" :script [\"mvn verify\"]})
          (save-artifacts (artifact \"reports\" \"target/surefire-reports\"))
          (assoc :junit {:artifact-id \"reports\" :pattern #\"TEST-.*\\\\.xml\"}))

  After the job was executed the artifact is fetched, its files are read, and the result gets
  `:monkey.ci/tests`. `:path` names one file or folder of the artifact, `:pattern` says which files
  count (found anywhere in their name); without both all `*.xml` do. Results that are missing or
  unreadable make no job fail: the result gets a warning instead. The files may hold anything:
  sizes, depth and counts are limited, entities are never expanded, links are not followed."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [monkey.ci.build.archive :as archive]
            [monkey.ci.build.client :as client]
            [monkey.ci.extensions :as ext]
            [monkey.ci.xml :as xml])
  (:import (java.io File)
           (java.nio.file Files LinkOption)
           (java.nio.file.attribute FileAttribute)
           (java.util.regex Pattern)))

(def ^:private largest-file (* 32 1024 1024))
(def ^:private most-files 10000)
(def ^:private deepest 64)
(def ^:private most-cases 50000)
(def ^:private longest-text (* 16 1024))

(defn- fail [message]
  (throw (ex-info message {:type ::no-results})))

(defn- too-large []
  (fail "the test results are too large"))

;;; One file

(defn- cut
  "At most so many characters, none of them cut in half."
  [^String text size]
  (let [size (max 0 (long size))]
    (cond
      (<= (count text) size) text
      (and (pos? size) (Character/isHighSurrogate (.charAt text (dec size)))) (subs text 0 (dec size))
      :else (subs text 0 size))))

(defn- seconds
  "A number of seconds; some write thousands with a comma."
  [text]
  (let [text (str/trim (str/replace text "," ""))]
    (when (re-matches #"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?" text)
      (let [n (Double/parseDouble text)]
        (when-not (Double/isInfinite n) n)))))

(defn- suite-attributes [attributes]
  (reduce (fn [m [k v]]
            (let [v (cut v longest-text)]
              (cond
                (= "time" k) (if-let [n (seconds v)] (assoc m :time n) m)
                (re-matches #"[A-Za-z0-9_-]+" k) (assoc m (keyword k) v)
                :else m)))
          {} attributes))

(defn- case-attributes [attributes]
  (reduce (fn [m [k v]]
            (let [v (cut v longest-text)]
              (case k
                "name" (assoc m :test-case v)
                "classname" (assoc m :class-name v)
                "time" (if-let [n (seconds v)] (assoc m :time n) m)
                ("file" "line") (assoc m (keyword k) v)
                m)))
          {} attributes))

(defn- trouble-attributes [attributes]
  (reduce (fn [m [k v]]
            (if (#{"message" "type"} k) (assoc m (keyword k) (cut v longest-text)) m))
          {} attributes))

;; The state is a stack of open elements, each a map with its `:kind`, and the finished suites.

(defn- update-top [state f & args]
  (update state :open (fn [open] (conj (pop open) (apply f (peek open) args)))))

(defn- top-kind [state]
  (:kind (peek (:open state))))

(defn- push [state element]
  (update state :open conj element))

(defn- open-element [state name attributes depth]
  (when (>= (long depth) (long deepest))
    (too-large))
  (when-not (or (:root? state) (#{"testsuites" "testsuite"} name))
    (fail (str "no JUnit results: the first element is <" (cut name 40) ">")))
  (let [state  (assoc state :root? true)
        inside (top-kind state)]
    (cond
      (= "testsuite" name)
      (push (if (= :suite inside) (update-top state assoc :suites? true) state)
            {:kind :suite :map (suite-attributes attributes)
             :cases [] :failed 0 :broken 0 :suites? false})

      (= "testcase" name)
      (let [state (update state :cases inc)]
        (when (> (long (:cases state)) (long most-cases))
          (too-large))
        (push state {:kind :case :map (case-attributes attributes) :failures [] :errors []}))

      (and (= :case inside) (#{"failure" "error"} name))
      (push state {:kind :trouble :error? (= "error" name)
                   :map (trouble-attributes attributes) :texts [] :size 0})

      (and (= :case inside) (= "skipped" name))
      (push (update-top state assoc-in [:map :skipped] true) {:kind :other})

      :else (push state {:kind :other}))))

(defn- add-text [state text]
  (if (= :trouble (top-kind state))
    (update-top state (fn [{:keys [size] :as element}]
                        (let [text (cut text (- (long longest-text) (long size)))]
                          (-> element
                              (update :texts conj text)
                              (update :size + (count text))))))
    state))

(defn- close-trouble [state {:keys [error? texts] found :map}]
  (let [text  (str/trim (str/join texts))
        found (cond-> found (not= "" text) (assoc :description text))]
    (update-top state update (if error? :errors :failures) conj found)))

(defn- close-case [state {:keys [failures errors] found :map}]
  (let [found (cond-> found
                (seq failures) (assoc :failures failures)
                (seq errors) (assoc :errors errors))
        open  (:open state)
        place (last (keep-indexed (fn [i element] (when (= :suite (:kind element)) i)) open))]
    (if place
      (update-in state [:open place]
                 #(cond-> (update % :cases conj found)
                    (seq failures) (update :failed inc)
                    (and (seq errors) (empty? failures)) (update :broken inc)))
      state)))

(defn- close-suite
  "A suite that only holds other suites is left out: its sums would count everything twice."
  [state {:keys [cases failed broken suites?] found :map}]
  (if (and suites? (empty? cases))
    state
    (let [counted (reduce (fn [m [k n]]
                            ;; What the file says itself, or else what is in it.
                            (if (or suites? (nil? (get m k))) (assoc m k (str n)) m))
                          found
                          [[:tests (count cases)] [:failures failed] [:errors broken]])]
      (update state :suites conj (assoc counted :test-cases cases)))))

(defn- close-element [state]
  (let [element (peek (:open state))
        state   (update state :open pop)]
    (case (:kind element)
      :trouble (close-trouble state element)
      :case    (close-case state element)
      :suite   (close-suite state element)
      state)))

(defn parse
  "The test suites in the text of one JUnit file, each a map of its attributes with `:test-cases`.
  Throws when it is none."
  [text]
  (let [text  (if (str/starts-with? text "\uFEFF") (subs text 1) text)
        state (xml/parse text
                         (fn [state [kind a b depth]]
                           (case kind
                             :open  (open-element state a b depth)
                             :close (close-element state)
                             :text  (add-text state a)))
                         {:open [] :suites [] :cases 0 :root? false})]
    (if (:root? state)
      (:suites state)
      (fail "the file holds no test results"))))

;;; The files of an artifact

(def ^:private no-links (into-array LinkOption [LinkOption/NOFOLLOW_LINKS]))

(defn- is? [kind ^File file]
  (let [path (.toPath file)]
    (case kind
      :folder (Files/isDirectory path ^"[Ljava.nio.file.LinkOption;" no-links)
      :file   (Files/isRegularFile path ^"[Ljava.nio.file.LinkOption;" no-links))))

(defn- files-in
  "The files in a folder, as lists of the parts of their names, sorted. Follows no links."
  [folder]
  (loop [folders [[(io/file folder) []]], looked-at 0, found []]
    (if-let [[^File folder parts] (peek folders)]
      (let [entries   (vec (or (.listFiles folder)
                               (fail (str "cannot read " (str/join "/" parts)))))
            looked-at (+ looked-at (count entries))
            named     (fn [^File file] (conj parts (.getName file)))]
        (when (> looked-at (long most-files))
          (too-large))
        (recur (into (pop folders)
                     (when (< (count parts) (long deepest))
                       (for [entry entries :when (is? :folder entry)] [entry (named entry)])))
               looked-at
               (into found (for [entry entries :when (is? :file entry)] (named entry)))))
      (sort (fn [a b] (compare (str/join "\u0000" a) (str/join "\u0000" b))) found))))

(defn- xml? [parts]
  (str/ends-with? (str/lower-case (peek parts)) ".xml"))

(defn- at-path
  "The files a path means. An artifact that is one file is unpacked under its bare name, one that
  is a folder with or without the folder itself, so what the path ends in decides."
  [all path]
  (let [wanted  (vec (remove #{"" "." ".."} (str/split path #"/+")))
        size    (count wanted)
        starts? #(= wanted (take size %))
        ends?   #(= wanted (take-last size %))]
    (if (empty? wanted)
      (filter xml? all)
      (or (when (some #{wanted} all) [wanted])
          (seq (filter #(and (xml? %) (starts? %)) all))
          (seq (take 1 (filter ends? all)))
          (take 1 (filter #(= (peek wanted) (peek %)) all))))))

(defn- pattern-of [pattern]
  (if (or (nil? pattern) (instance? Pattern pattern))
    pattern
    (try
      (re-pattern (str pattern))
      (catch IllegalArgumentException _
        (fail (str "the pattern " (pr-str (str pattern)) " is not understood"))))))

(defn collect
  "The test suites of the files in a folder that `:path` and `:pattern` choose, which is the value
  of `:monkey.ci/tests`."
  [folder {:keys [path pattern]}]
  (let [regex  (pattern-of pattern)
        all    (files-in folder)
        inside (if path (at-path all path) all)
        picked (cond
                 regex (filter #(re-find regex (str/join "/" %)) inside)
                 path  inside
                 :else (filter xml? inside))]
    (when (empty? picked)
      (fail (str "the artifact has no file " (or path pattern "*.xml"))))
    (loop [[parts & more] picked, left (long largest-file), suites []]
      (if parts
        (let [^File file (apply io/file folder parts)
              left (- left (.length file))]
          (when (neg? left)
            (too-large))
          (recur more left (into suites (parse (slurp file :encoding "UTF-8")))))
        suites))))

;;; The extension

(defn- settings [config]
  (let [text #(cond
                (keyword? %) (subs (str %) 1)
                (string? %) %)
        id   (some text [(:artifact-id config) (:id config)])]
    (if id
      {:id id :path (text (:path config)) :pattern (:pattern config)}
      (fail "junit needs an artifact-id"))))

(defn- temporary-folder ^File []
  (.toFile (Files/createTempDirectory "monkeyci-junit-" (into-array FileAttribute []))))

(defn- fetch
  "Lets the runner unpack the artifact into a private folder and reads it."
  [ctx]
  (let [{:keys [id] :as config} (settings (ext/get-config ctx :junit))
        folder (temporary-folder)]
    (try
      (let [{:keys [status] :as answer}
            (client/request ctx {:method :get
                                 :path   ["artifact" (get-in ctx [:job :id]) id]
                                 :query  {"path" (str folder)}})]
        (case (int status)
          200 (collect folder config)
          (204 404) (fail (str "there is no artifact \"" id "\""))
          (fail (str "the artifact \"" id "\" cannot be fetched: " (client/complaint answer)))))
      (finally
        (archive/delete-tree folder)))))

(defn with-tests
  "The context with the test results of its job, or with a warning that says why there are none."
  [ctx]
  (try
    (ext/set-value ctx :monkey.ci/tests (fetch ctx))
    (catch Exception e
      (update-in ctx [:job :result :warnings]
                 (fnil conj []) {:message (str "no test results: " (ex-message e))}))))

(defn register!
  "Registers the extension. The runtime calls this before a script is loaded, so that a script may
  register its own `:junit` over it."
  []
  (ext/register! {:key :junit :after with-tests}))
