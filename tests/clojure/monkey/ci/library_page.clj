(ns monkey.ci.library-page
  "The manual's page about the script library, made from the library itself."
  (:require [clojure.string :as str]
            [monkey.ci.surface-test :as surface]))

(def ^:private head
  "# The script library

What scripts in [Clojure](scripts.md#clojure) may use, for Clojure 1.11 and newer and for babashka, without
any dependencies. It is inside the program, under the names of MonkeyCI's own library, and does what that
one promises; where the original is known not to, ours does.

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
  '{monkey.ci.api             "What new scripts should use. Functions that change a job also take a function that gives a job; with nothing but a job they give what it has."
    monkey.ci.build.core      "Jobs, results and what changed: what needs no runner."
    monkey.ci.build.v2        "The older name of `monkey.ci.api`: the very same functions, and these."
    monkey.ci.build.container "As older scripts write it."
    monkey.ci.build.shell     "As older scripts use it."
    monkey.ci.jobs            "What a job says of itself, and what became of it."
    monkey.ci.containers      "What a container job says of its container."
    monkey.ci.cuid            "Random ids as MonkeyCI uses them."
    monkey.ci.time            "Times in milliseconds, as everywhere in events."
    monkey.ci.extensions      "What acts before and after jobs that have a certain key."
    monkey.ci.junit           "Test results: the extension `:junit`, which is loaded when a job has that key."
    monkey.ci.xml             "What `monkey.ci.junit` reads with."
    monkey.ci.build.api       "A client of the [script API](protocol.md#script-api), made at run time from its OpenAPI document. Arguments are checked before anything is sent; what is wrong is said in the document's words."
    monkey.ci.build.client    "What `monkey.ci.build.api` sends with."
    monkey.ci.build.schema    "What `monkey.ci.build.api` checks with."
    monkey.ci.build.archive   "Reads the `.tgz` files that artifacts are. They are hostile until proved otherwise."
    monkey.ci.test            "For unit tests of scripts. A context is a map: begin with `test-ctx`."})

(defn- cell [text]
  (-> (str/replace text #"\s+" " ") (str/replace "|" "\\|")))

(defn- arguments [v]
  (let [{:keys [arglists]} (meta v)]
    (if (seq arglists)
      (str/join "<br>" (map #(str "`" (cell (pr-str %)) "`") arglists))
      "")))

(defn- row [sym]
  (let [v (find-var sym)]
    (str "| `" (cell (name sym)) "` | " (arguments v) " | " (cell (or (:doc (meta v)) "")) " | ✓ | s | s |")))

(defn- section [ns-name]
  (let [same  (when (= 'monkey.ci.build.v2 ns-name) (set (map name (surface/public 'monkey.ci.api))))
        names (remove #(contains? same (name %)) (surface/public ns-name))]
    (when (seq names)
      (str "\n## " ns-name "\n\n" (get about ns-name) "\n\n"
           "| name | arguments | | jar | tool | bb |\n| --- | --- | --- | --- | --- | --- |\n"
           (str/join "\n" (map row names)) "\n"))))

(defn page
  "The text of the page."
  []
  (apply str head (keep section surface/namespaces)))
