(ns monkey.ci.library-page
  "The manual's page about the script library, made from the library itself: what a script's author
  looks for first, and at the end where each function is checked.

  It is read in terminals too: no line is longer than `width`, but for tables."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [monkey.ci.surface-test :as surface]))

(def width "Of the page, in characters." 100)

(def ^:private head
  "# The script library

What scripts in [Clojure](scripts.md#clojure) may use, for Clojure 1.11 and newer and for babashka, without
any dependencies. It is inside the program, under the names of MonkeyCI's own library, and does what that
one promises; where the original is known not to, ours does.

```clojure
(ns build
  (:require [monkey.ci.api :as m]))

[(-> (m/container-job \"test\")
     (m/image \"docker.io/alpine:3.20\")
     (m/script [\"./test.sh\"])
     (m/save-artifacts (m/artifact \"report\" \"out\")))
 (-> (m/action-job \"publish\" (fn [ctx] (println \"branch\" (m/branch ctx))))
     (m/depends-on \"test\"))]
```

`ctx` is the context that actions, `init` functions and jobs as functions are called with. Arguments in
brackets may be left out; `& ids` stands for any number. **Ours** is what MonkeyCI's own library does not
have: a script that uses it needs this one. Most scripts need `monkey.ci.api` only, and their tests
`monkey.ci.test`.
")

(def ^:private foot
  "
## Where this is checked

Every function is checked by `tests/clojure/monkey/ci/surface_test.clj`, under its name, and that is run
inside a build on every host:

| column | host | test | |
| --- | --- | --- | --- |
| jar | a plain Clojure jar, Debian's | `the_library_does_what_it_is_for_on_a_plain_jar` | |
| tool | the official tool, `clojure -X` | `the_library_does_what_it_is_for_on_the_official_tool` | s |
| bb | babashka | `the_library_does_what_it_is_for_on_babashka` | s |

**s**: by a stand-in. The command line, the files and the environment are those of the host; Debian's
Clojure reads them, since neither program is packaged for it. That the library needs nothing that
babashka lacks is checked by reading it; it was not run by a real `bb`.

This page is made by `tests/clojure/library_page.clj`.
")

(def ^:private about
  "The namespaces in the order of the page, and what is said of each."
  '[monkey.ci.api             "What new scripts should use. Functions that change a job also take a function that gives a job; with nothing but a job they give what it has."
    monkey.ci.test            "For [unit tests of scripts](testing.md). A context is a map: begin with `test-ctx`. The names are those of MonkeyCI's own `com.monkeyci/test`, but for those that are marked as ours."
    monkey.ci.build.api       "A client of the [script API](protocol.md#script-api), made at run time from its OpenAPI document. Arguments are checked before anything is sent; what is wrong is said in the document's words. Ours, but for `build-params` and `download-artifact`."
    monkey.ci.build.archive   "Reads the `.tgz` files that artifacts are. They are hostile until proved otherwise."
    monkey.ci.extensions      "What acts before and after jobs that have a certain key."
    monkey.ci.junit           "Test results: the extension `:junit`, which is loaded when a job has that key."
    monkey.ci.build.core      "Jobs, results and what changed: what needs no runner."
    monkey.ci.jobs            "What a job says of itself, and what became of it."
    monkey.ci.containers      "What a container job says of its container."
    monkey.ci.time            "Times in milliseconds, as everywhere in events."
    monkey.ci.cuid            "Random ids as MonkeyCI uses them."
    monkey.ci.build.v2        "The older name of `monkey.ci.api`: the very same functions, and these."
    monkey.ci.build.container "As older scripts write it."
    monkey.ci.build.shell     "As older scripts use it."
    monkey.ci.build.client    "What `monkey.ci.build.api` sends with. Ours."
    monkey.ci.build.schema    "What `monkey.ci.build.api` checks with. Ours."
    monkey.ci.xml             "What `monkey.ci.junit` reads with. Ours."
    monkey.ci.ext.junit       "What loads `monkey.ci.junit`."])

(def namespaces
  "In the order of the page."
  (take-nth 2 about))

(def ours
  "What the original does not have, of namespaces that it has."
  '{monkey.ci.api           #{secret build-info repo-info org-info save-result result results}
    monkey.ci.test          #{temporary-dir with-secrets with-results with-results-of}
    monkey.ci.build.archive #{delete-tree limits}})

;;; Texts

(defn- fill
  "The text in lines that are not too long, each of them indented."
  [text indent]
  (loop [lines [], line indent, [word & more :as words] (str/split (str/trim text) #"\s+")]
    (cond
      (empty? words) (str/join "\n" (conj lines line))
      (= indent line) (recur lines (str indent word) more)
      (< width (+ (count line) 1 (count word))) (recur (conj lines line) (str indent word) more)
      :else (recur lines (str line " " word) more))))

(defn- paragraphs
  "A docstring below the line of its function; examples, which are indented, stay as they are."
  [doc]
  (let [parts (str/split (str/replace doc #"\s*Ours:[^.]*\.$" "") #"\n\s*\n")]
    (str/join "\n\n" (for [[i part] (map-indexed vector parts)]
                       (if (and (pos? (long i)) (re-find #"^ {6}" part))
                         part
                         (fill part "  "))))))

(defn- continues?
  "Whether an argument list is another one and more."
  [shorter longer]
  (and (seq shorter)
       (< (count shorter) (count longer))
       (= (seq shorter) (take (count shorter) longer))
       (not (some #{'&} shorter))))

(defn- argument [x]
  (pr-str (if (map? x) (:as x x) x)))

(defn- optional
  "The arguments that the later lists add, in brackets."
  [[shorter longer :as arglists]]
  (when longer
    (let [added (concat (map argument (drop (count shorter) longer)) (optional (rest arglists)))]
      [(str "[" (str/join " " added) "]")])))

(defn- calls
  "How a function is called: `(f a [b])` for `[a]` and `[a b]`."
  [name arglists]
  (let [one (fn [args] (str "`(" (str/join " " (cons name args)) ")`"))]
    (if (every? (fn [[a b]] (continues? a b)) (partition 2 1 arglists))
      (one (concat (map argument (first arglists)) (optional arglists)))
      (str/join ", " (map #(one (map argument %)) arglists)))))

(defn- entry [ns-name v]
  (let [{:keys [name arglists doc macro]} (meta v)]
    (str "- "
         (if (seq arglists) (calls name arglists) (str "`" name "`"))
         (when macro " (macro)")
         (when (contains? (get ours ns-name) name) " **ours**")
         "\n"
         (paragraphs (or doc "")))))

;;; Groups: the headings of the sources

(defn- headings
  "The headings of a source, with their lines: `;;; Jobs`."
  [ns-name]
  (let [path (-> (str ns-name) (str/replace "." "/") (str/replace "-" "_") (str ".clj"))]
    (keep-indexed (fn [i line]
                    (when-let [[_ title] (re-matches #";;; (.*?)\.?" line)]
                      [(inc (long i)) title]))
                  (str/split-lines (slurp (io/resource path))))))

(defn- heading-of [headings v]
  (second (last (take-while (fn [[line]] (< (long line) (long (:line (meta v))))) headings))))

(defn- shown
  "The functions of a namespace that are not those of another one, in the order of the source."
  [ns-name]
  (let [same (when (= 'monkey.ci.build.v2 ns-name) (set (map name (surface/public 'monkey.ci.api))))]
    (->> (surface/public ns-name)
         (remove #(contains? same (name %)))
         (map find-var)
         (sort-by (comp :line meta)))))

(defn- section [ns-name text]
  (when-let [vars (seq (shown ns-name))]
    (let [headings (headings ns-name)
          groups   (partition-by #(heading-of headings %) vars)
          titled?  (< 9 (count vars))]
      (str "\n## " ns-name "\n\n" (fill text "") "\n"
           (str/join
            (for [group groups
                  :let [title (heading-of headings (first group))]]
              (str (if (and titled? title) (str "\n### " title "\n\n") (when (= group (first groups)) "\n"))
                   (str/join "\n" (map #(entry ns-name %) group)) "\n")))))))

(defn- where-checked []
  (str "\n| function | jar | tool | bb |\n| --- | --- | --- | --- |\n"
       (str/join (for [ns-name namespaces
                       v (sort-by (comp str :name meta) (shown ns-name))]
                   (str "| `" ns-name "/" (:name (meta v)) "` | ✓ | s | s |\n")))))

(defn page
  "The text of the page."
  []
  (str head
       (str/join (keep (fn [[ns-name text]] (section ns-name text)) (partition 2 about)))
       foot
       (where-checked)))
