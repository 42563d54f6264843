(ns monkey.ci.script.load
  "From a script's files to its list of jobs.

  The jobs of declarative files are read by the runner and come first; then what `build.clj` is
  worth, resolved: see `resolve-jobs`."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [monkey.ci.build.core :as core]
            [monkey.ci.jobs :as jobs])
  (:import (clojure.lang LazySeq MultiFn)
           (java.io File)))

;;; Errors, with their place in the script

(defn- causes [^Throwable e]
  (take-while some? (iterate ex-cause e)))

(defn- script-files
  "The names of the script's own files, with their paths below the script's folder."
  [script-dir]
  (let [root (.toPath (io/file script-dir))]
    (into {}
          (for [^File file (file-seq (io/file script-dir))
                :when (str/ends-with? (.getName file) ".clj")]
            [(.getName file) (str (.relativize root (.toPath file)))]))))

(defn- frames
  "Where in the script's own files an exception comes from, innermost first."
  [script-dir ^Throwable e]
  (let [files (script-files script-dir)]
    (distinct
     (for [cause (reverse (causes e))
           ^StackTraceElement frame (.getStackTrace ^Throwable cause)
           :let [file (get files (.getFileName frame))]
           :when (and file (pos? (.getLineNumber frame)))]
       {:file file :line (.getLineNumber frame)}))))

(defn- text-of [{:keys [file line column]}]
  (str/join ":" (remove nil? [file line column])))

(defn script-frames
  "Where in the script's own files an exception comes from, innermost first: texts `build.clj:12`."
  [script-dir e]
  (map text-of (frames script-dir e)))

(defn- told-place
  "Where the compiler (or babashka's interpreter) says that an exception comes from."
  [script-dir e]
  (let [files (script-files script-dir)]
    (some (fn [cause]
            (let [{:clojure.error/keys [source line column] :as data} (ex-data cause)
                  source (or source (:file data))
                  line   (or line (:line data))
                  column (or column (:column data))
                  file   (some->> source str io/file .getName (get files))]
              (when (and file (integer? line))
                (cond-> {:file file :line line}
                  (and (integer? column) (pos? column)) (assoc :column column)))))
          (causes e))))

(defn- executing?
  "Whether the script was compiled, and failed while it ran."
  [e]
  (contains? #{nil :execution} (some (comp :clojure.error/phase ex-data) (causes e))))

(defn whereabouts
  "Where in the script an exception comes from, as a map with `:file`, `:line` and, if it is known,
  `:column`; nil when nobody knows."
  [script-dir e]
  (let [frame (first (frames script-dir e))
        told  (told-place script-dir e)]
    (if (executing? e) (or frame told) (or told frame))))

(defn place
  "Where in the script an exception comes from, as `build.clj:12`; nil when nobody knows."
  [script-dir e]
  (some-> (whereabouts script-dir e) (dissoc :column) text-of))

(defn reason
  "What went wrong, in one line."
  [e]
  (let [root (last (causes e))]
    (str/replace (or (not-empty (ex-message root)) (.getName (class root))) #"\s*\n\s*" " ")))

(defn explain
  "What went wrong and where: `No such var: x/y (build.clj:12)`."
  [script-dir e]
  (let [where (place script-dir e)]
    (cond-> (reason e) where (str " (" where ")"))))

;;; Values to jobs

(declare resolve-jobs)

(defn- var->job
  "The job of a var with `^:job` on it."
  [v]
  (let [{:keys [name job/id]} (meta v)
        job (core/fn->job @v)]
    (assoc job :id (jobs/id->str (or id (:job/id (meta @v)) (str name))))))

(defn- no-job [x]
  (ex-info (str "A script is worth jobs, functions that give jobs, and vectors of them, not "
                (if (seq? x) "a list (use a vector)" (str "this: " (pr-str x))))
           {:type ::no-job}))

(defn resolve-jobs
  "The jobs that a value of a script stands for, as a vector: none for nil and for maps that are no
  jobs; of vectors and lazy sequences those of all elements; of a function what it gives for the
  context, unless it is marked as a job itself (`as-job`, `^:job`). Anything else is an error."
  [x ctx]
  (cond
    (nil? x) []
    (var? x) (if (and (:job (meta x)) (fn? @x)) [(var->job x)] (resolve-jobs @x ctx))
    (core/job-fn? x) [(core/fn->job x)]
    (or (fn? x) (instance? MultiFn x)) (recur (x ctx) ctx)
    (record? x) (throw (no-job x))
    (map? x) (if (jobs/job? x) [x] [])
    (or (vector? x) (instance? LazySeq x)) (into [] (mapcat #(resolve-jobs % ctx)) x)
    :else (throw (no-job x))))

(defn- with-texts
  "The job with its id and those of its dependencies as texts; `n` numbers a job without one."
  [n job]
  (cond-> (assoc job :id (or (jobs/id->str (:id job)) (str "job-" n)))
    (:dependencies job) (update :dependencies #(mapv jobs/id->str %))))

(defn name-jobs
  "The jobs with ids: `job-<n>` by its place for one that has none. Two may have the same: the last
  one counts, and whoever shows them can say so."
  [all]
  (mapv with-texts (rest (range)) all))

(defn filter-jobs
  "The jobs with these ids and all that they depend on; all jobs when no ids are given. Throws for
  an id that no job has."
  [all ids]
  (if (empty? ids)
    all
    (let [by-id   (into {} (map (juxt :id identity)) all)
          ids     (map jobs/id->str ids)
          unknown (remove by-id ids)]
      (when (seq unknown)
        (throw (ex-info (str "there is no job \"" (first unknown) "\"; the script has: "
                             (str/join ", " (map :id all)))
                        {:type ::no-such-job})))
      (loop [wanted #{}, todo (seq ids)]
        (if-let [[id & more] (seq todo)]
          (if (wanted id)
            (recur wanted more)
            (recur (conj wanted id) (into (vec more) (:dependencies (by-id id)))))
          (filterv (comp wanted :id) all))))))

;;; Files

(defn- load-build [^File file]
  (binding [*ns* (create-ns 'user)]
    (refer 'clojure.core)
    (load-file (.getPath file))))

(defn load-jobs
  "All jobs of a script: `declared` ones, then those of its `build.clj`, named and filtered."
  [{:keys [script-dir declared filter]} ctx]
  (let [file (io/file script-dir "build.clj")]
    (-> (map #(assoc % :type :container) declared)
        (concat (when (.exists file) (resolve-jobs (load-build file) ctx)))
        (name-jobs)
        (filter-jobs filter))))
