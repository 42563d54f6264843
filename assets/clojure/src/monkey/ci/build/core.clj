(ns monkey.ci.build.core
  "Jobs, results and what changed: the parts of the script API that need no runner.
  `monkey.ci.api` has all of them and more, and is what new scripts should use."
  (:require [clojure.string :as str]
            [monkey.ci.jobs :as jobs])
  (:import (java.util.regex Pattern)))

;;; Results

(defn status
  "A result of this status."
  [s]
  {:status s})

(def success "The result of a job that went well." (status :success))
(def failure "The result of a job that did not." (status :failure))
(def skipped "The result of a job that had nothing to do." (status :skipped))

(defn status?
  "Whether this is a result: a map with a `:status`."
  [x]
  (and (map? x) (keyword? (:status x))))

(defn success?
  "Whether the result is a success; so is no result at all."
  [result]
  (contains? #{nil :success} (:status result)))

(defn failed?
  "Whether the result is a failure or an error."
  [result]
  (contains? #{:failure :error} (:status result)))

(defn skipped?
  "Whether the result says that the job was skipped."
  [result]
  (= :skipped (:status result)))

(defn with-message
  "The result with a message for people."
  [result message]
  (assoc result :message message))

(defn add-warning
  "The result with one more warning, a map with a `:message`."
  [result warning]
  (update result :warnings (fnil conj []) warning))

(defn warnings
  "The warnings of a result."
  [result]
  (:warnings result))

;;; Jobs

(defn action-job
  "A job that calls `action` with the context, in the script's own process."
  ([id action]
   (action-job id action {}))
  ([id action opts]
   (merge opts {:id id :type :action :action action})))

(defn container-job
  "A job that runs in a container; `opts` are its properties."
  ([id]
   (container-job id {}))
  ([id opts]
   (merge opts {:id id :type :container})))

(defn- function-name
  "What the function was called when it was defined; nil for one without a name."
  [f]
  (let [[_ n] (re-matches #".*[$/]([^$/]+?)(?:__\d+)?(?:@.*)?" (str f))]
    (when-not (or (nil? n) (re-matches #"(fn|eval\d+|reify|\d+)(__.*)?" n))
      (-> n
          (str/replace "_BANG_" "!")
          (str/replace "_QMARK_" "?")
          (str/replace "_STAR_" "*")
          (str/replace "_PLUS_" "+")
          (str/replace "_" "-")))))

(defn as-job
  "Marks a function as the action of a job, so that it may stand where a job is expected. Without
  an id the function's name is the job's."
  ([f]
   (as-job f (or (:job/id (meta f)) (function-name f))))
  ([f id]
   (vary-meta f assoc :job true :job/id id)))

(defn fn->job
  "The action job of a function that is marked as one (see `as-job`)."
  [f]
  (let [id (or (:job/id (meta f)) (function-name f))]
    (cond-> {:type :action :action f}
      id (assoc :id (jobs/id->str id)))))

(defn job-fn?
  "Whether this is a function that is marked as a job."
  [x]
  (and (fn? x) (boolean (:job (meta x)))))

(defmacro defjob
  "Defines an action job: its id is the name, and the body is what it does. May be used as
  a value of the script as it is.

      (defjob test-all [ctx] …)"
  {:arglists '([name docstring? [ctx] & body])}
  [name & more]
  (let [[doc [args & body]] (if (string? (first more)) [(first more) (rest more)] [nil more])]
    `(def ~(cond-> name doc (vary-meta assoc :doc doc))
       (as-job (fn ~args ~@body) ~(str name)))))

(defn update-job
  "The job after `f`. For a function that gives a job: a function that gives the changed job (or
  nil, when it gave none)."
  [job f]
  (cond
    (nil? job) nil
    (job-fn? job) (f (fn->job job))
    (fn? job) (fn [ctx] (update-job (job ctx) f))
    (var? job) (update-job @job f)
    :else (f job)))

(defn add-to
  "The job with more values in the list under `k`; nested lists are flattened."
  [job k values]
  (update-job job #(update % k (fn [have] (into (vec have) (remove nil?) (flatten values))))))

(defn depends-on
  "The job with these dependencies in addition, each once. Ids may be given in lists."
  [job & ids]
  (update-job (add-to job :dependencies ids) #(update % :dependencies (comp vec distinct))))

(defn save-artifacts
  "The job with these artifacts to save in addition; with the job only: what it saves."
  [job & artifacts]
  (if (seq artifacts) (add-to job :save-artifacts artifacts) (:save-artifacts job)))

(defn restore-artifacts
  "The job with these artifacts to restore in addition; with the job only: what it restores."
  [job & artifacts]
  (if (seq artifacts) (add-to job :restore-artifacts artifacts) (:restore-artifacts job)))

(defn work-dir
  "Where the job of the context works."
  [ctx]
  (get-in ctx [:job :work-dir]))

(def ^{:arglists '([job])} job-schema
  "The version of a job's shape, by default `:v1`."
  jobs/schema)

;;; The build

(defn build-id
  "The id of the build."
  [ctx]
  (get-in ctx [:build :build-id]))

(defn trigger-src
  "What triggered the build: `:cli`, `:api`, `:github-webhook` …"
  [ctx]
  (get-in ctx [:build :source]))

(defn git-ref
  "The ref that is built, such as `refs/heads/main`."
  [ctx]
  (get-in ctx [:build :git :ref]))

(defn ref-regex
  "The first group of the regular expression that matches the whole ref; nil when it does not."
  [ctx regex]
  (when-let [r (git-ref ctx)]
    (let [found (re-matches regex r)]
      (if (vector? found) (second found) found))))

(defn branch
  "The branch that is built; nil when it is none."
  [ctx]
  (ref-regex ctx #"refs/heads/(.*)"))

(defn tag
  "The tag that is built; nil when it is none."
  [ctx]
  (ref-regex ctx #"refs/tags/(.*)"))

(defn main-branch
  "The main branch of the repository."
  [ctx]
  (get-in ctx [:build :git :main-branch]))

(defn main-branch?
  "Whether the main branch is built. Also true when nothing is known of either."
  [ctx]
  (= (main-branch ctx) (branch ctx)))

;;; What changed

(defn file-changes
  "The files that changed: a map of `:added`, `:modified` and `:removed`."
  [ctx]
  (get-in ctx [:build :changes]))

(def ^{:arglists '([ctx])} files-added "The files that were added." (comp :added file-changes))
(def ^{:arglists '([ctx])} files-modified "The files that were modified." (comp :modified file-changes))
(def ^{:arglists '([ctx])} files-removed "The files that were removed." (comp :removed file-changes))

(defn ->pred
  "A test of a file name: of a string whether it is that name, of a regular expression whether
  it matches the whole name, of a function itself."
  [x]
  (cond
    (string? x) #(= x %)
    (instance? Pattern x) #(some? (re-matches x %))
    (ifn? x) x
    :else (throw (ex-info "Files are told by a name, a regular expression or a function"
                          {:given x}))))

(defn- any-of [lists pred]
  (let [test? (->pred pred)]
    (fn [ctx]
      (boolean (some (fn [files] (some test? (files ctx))) lists)))))

(defn added?
  "Whether a file was added that satisfies `pred` (see `->pred`). Without a context: a function of one."
  ([pred] (any-of [files-added] pred))
  ([ctx pred] ((added? pred) ctx)))

(defn modified?
  "Whether a file was modified that satisfies `pred` (see `->pred`). Without a context: a function of one."
  ([pred] (any-of [files-modified] pred))
  ([ctx pred] ((modified? pred) ctx)))

(defn removed?
  "Whether a file was removed that satisfies `pred` (see `->pred`). Without a context: a function of one."
  ([pred] (any-of [files-removed] pred))
  ([ctx pred] ((removed? pred) ctx)))

(defn touched?
  "Whether a file was added, modified or removed that satisfies `pred` (see `->pred`). Without
  a context: a function of one."
  ([pred] (any-of [files-added files-modified files-removed] pred))
  ([ctx pred] ((touched? pred) ctx)))
