(ns monkey.ci.api
  "What build scripts use.

      (ns build (:require [monkey.ci.api :as m]))

      [(-> (m/container-job \"test\" {:image \"docker.io/clojure:latest\"})
           (m/script [\"clojure -X:test\"])
           (m/save-artifacts (m/artifact \"report\" \"out/junit.xml\")))
       (-> (m/action-job \"publish\" (fn [ctx] …))
           (m/depends-on \"test\"))]

  Functions that change a job also take a function that gives a job, and then give a function; with
  nothing but a job they give what it has. `ctx` is the context that actions, `init` functions and
  jobs as functions get. The manual is the page \"library\" of the documentation."
  (:require [clojure.java.io :as io]
            [monkey.ci.build.core :as core]
            [monkey.ci.containers :as containers]
            [monkey.ci.jobs :as jobs]
            [monkey.ci.script.api-client :as api]
            [monkey.ci.script.process :as process])
  (:import (java.io File)))

;;; Jobs

(defn action-job
  "A job that calls `action` with the context, in the script's own process."
  ([id action]
   (core/action-job id action))
  ([id action opts]
   (core/action-job id action opts)))

(defn container-job
  "A job that runs in a container; `opts` are its properties."
  ([id]
   (core/container-job id))
  ([id opts]
   (core/container-job id opts)))

(defn action-job?
  "Whether the job is an action job."
  [job]
  (jobs/action-job? job))

(defn container-job?
  "Whether the job is a container job."
  [job]
  (jobs/container-job? job))

(defn job-id
  "The id of a job."
  [job]
  (:id job))

(defn dependencies
  "The ids of the jobs that have to succeed before this one."
  [job]
  (:dependencies job))

(defn depends-on
  "The job with these dependencies in addition, each once. Ids may be given in lists."
  [job & ids]
  (apply core/depends-on job ids))

(defn- put [job k v]
  (core/update-job job #(assoc % k v)))

(defn image
  "Sets or gives the container image."
  ([job] (containers/image job))
  ([job image] (put job :container/image image)))

(defn script
  "Sets or gives the commands of a container job, each of which gets a shell of its own."
  ([job] (:script job))
  ([job commands] (put job :script commands)))

(defn expose
  "Sets or gives the ports that a container job exposes."
  ([job] (:expose job))
  ([job ports] (put job :expose ports)))

(defn init
  "Sets or gives the function that completes a container job when it is queued: it gets the context
  and gives a map that is merged into the job, or nil to skip the job."
  ([job] (:init job))
  ([job f] (put job :init f)))

(defn work-dir
  "Sets or gives where the job works, relative to the checkout."
  ([job] (:work-dir job))
  ([job dir] (put job :work-dir dir)))

(defn size
  "Sets or gives the size of a container job: so many processors, and twice as many GB of memory."
  ([job] (:size job))
  ([job size] (put job :size size)))

(defn- env-key [job]
  (if (jobs/container-job? job) :container/env :env))

(defn env
  "Sets or gives the environment of a job: a map of names to values."
  ([job] (get job (env-key job)))
  ([job vars] (core/update-job job #(assoc % (env-key %) vars))))

(defn blocked
  "The job, waiting for approval before it runs."
  [job]
  (put job :blocked true))

(defn unblocked
  "The job, not waiting for approval."
  [job]
  (core/update-job job #(dissoc % :blocked)))

(defn blocked?
  "Whether the job waits for approval before it runs."
  [job]
  (jobs/blocked? job))

;;; Artifacts and caches

(defn artifact
  "An artifact: what is found under `path`, known to others as `id`."
  [id path]
  {:id id :path path})

(defn cache
  "A cache: what is found under `path`, kept under `id` for the next builds."
  [id path]
  {:id id :path path})

(defn dir-artifact
  "The artifact with the folder of its path as path: to restore what was saved from a single file."
  [artifact]
  (update artifact :path #(or (.getParent (io/file %)) ".")))

(defn save-artifacts
  "The job with these artifacts to save in addition; with the job only: what it saves."
  [job & artifacts]
  (apply core/save-artifacts job artifacts))

(defn restore-artifacts
  "The job with these artifacts to restore in addition; with the job only: what it restores."
  [job & artifacts]
  (apply core/restore-artifacts job artifacts))

(defn caches
  "The job with these caches in addition; with the job only: its caches."
  [job & caches]
  (if (seq caches) (core/add-to job :caches caches) (:caches job)))

(defn restore-artifact
  "Restores an artifact now, in a running action; gives its path, or nil when there is none."
  [ctx artifact]
  (api/restore-artifact ctx artifact))

(def ^{:arglists '([ctx artifact])} get-artifact
  "The same as `restore-artifact`."
  restore-artifact)

;;; Results of actions

(def success "The result of a job that went well." core/success)
(def failure "The result of a job that did not." core/failure)
(def error "The same as `failure`." failure)
(def failed "The same as `failure`." failure)
(def skipped "The result of a job that had nothing to do." core/skipped)

(defn with-message
  "The result with a message for people."
  [result message]
  (core/with-message result message))

;;; What is built, and why

(defn build-id
  "The id of the build."
  [ctx]
  (core/build-id ctx))

(defn checkout-dir
  "The folder with the project's files."
  [ctx]
  (get-in ctx [:build :checkout-dir]))

(defn in-work
  "The absolute path of a path that is relative to where the job works."
  [ctx path]
  (let [^File f (io/file path)]
    (when (.isAbsolute f)
      (throw (ex-info (str "The path has to be relative to the job's folder: " path) {:path path})))
    (let [dir (or (core/work-dir ctx) (checkout-dir ctx) ".")]
      (-> ^File (io/file dir path) .toPath .toAbsolutePath .normalize str))))

(def ^{:arglists '([ctx])} git-ref "The ref that is built, such as `refs/heads/main`." core/git-ref)
(def ^{:arglists '([ctx regex])} ref-regex
  "The first group of the regular expression that matches the whole ref; nil when it does not." core/ref-regex)
(def ^{:arglists '([ctx])} branch "The branch that is built; nil when it is none." core/branch)
(def ^{:arglists '([ctx])} tag "The tag that is built; nil when it is none." core/tag)
(def ^{:arglists '([ctx])} main-branch "The main branch of the repository." core/main-branch)
(def ^{:arglists '([ctx])} main-branch?
  "Whether the main branch is built. Also true when nothing is known of either." core/main-branch?)

;;; What changed

(def ^{:arglists '([ctx])} files-added "The files that were added." core/files-added)
(def ^{:arglists '([ctx])} files-modified "The files that were modified." core/files-modified)
(def ^{:arglists '([ctx])} files-removed "The files that were removed." core/files-removed)
(def ^{:arglists '([pred] [ctx pred])} added?
  "Whether a file was added that is `pred`: a name, a regular expression that matches the whole
  name, or a function. Without a context: a function of one." core/added?)
(def ^{:arglists '([pred] [ctx pred])} modified? "As `added?`, for modified files." core/modified?)
(def ^{:arglists '([pred] [ctx pred])} removed? "As `added?`, for removed files." core/removed?)
(def ^{:arglists '([pred] [ctx pred])} touched? "As `added?`, for all files that changed." core/touched?)

;;; Who started it, and where it runs

(def ^{:arglists '([ctx])} source
  "What triggered the build: `:cli`, `:api`, `:github-webhook` …" core/trigger-src)

(defn api-trigger?
  "Whether the build was triggered through the API."
  [ctx]
  (= :api (source ctx)))

(defn cli?
  "Whether the build was started from a command line."
  [ctx]
  (= :cli (source ctx)))

(defn manual?
  "Whether somebody started the build: through the API or from a command line."
  [ctx]
  (or (api-trigger? ctx) (cli? ctx)))

(defn archs
  "The architectures that the runner offers."
  [ctx]
  (:archs ctx))

;;; Asking the runner

(defn build-params
  "The parameters of the build: names to values. Asked for once per process."
  [ctx]
  (api/build-params ctx))

(def ^{:arglists '([ctx])} params "The same as `build-params`." build-params)

(defn secret
  "The value of a secret, or nil when there is none of that name. The runner notes who asked."
  [ctx name]
  (api/secret ctx name))

(defn build-info
  "The build as the runner knows it: `:status`, `:git`, `:changes`, the `:previous` build …"
  [ctx]
  (api/build-info ctx))

(defn repo-info
  "The repository as the runner knows it: `:name`, `:url`, `:main-branch`, `:labels` …"
  [ctx]
  (api/repo-info ctx))

(defn org-info
  "The organization as the runner knows it: `:id`, `:name` …"
  [ctx]
  (api/org-info ctx))

(defn save-result
  "Stores a value, a file (`java.io.File`) or bytes under a name, for other jobs and later builds.
  `opts` may have the `:media-type` of a file."
  ([ctx name value] (api/save-result ctx name value))
  ([ctx name value opts] (api/save-result ctx name value opts)))

(defn result
  "A stored result, or nil. `opts` may say `:of` which build: `:this` (the default), `:previous` or
  `:last-success`. Files come as bytes, or as text when they are text."
  ([ctx name] (api/result ctx name))
  ([ctx name opts] (api/result ctx name opts)))

(defn results
  "What results are stored: `{:name :media-type :size :job-id}` each. `opts` as in `result`."
  ([ctx] (api/results ctx))
  ([ctx opts] (api/results ctx opts)))

;;; Other jobs

(defn get-job
  "The job with this id as the script knows it, with its status; nil when there is none."
  [ctx id]
  (when-let [jobs (get-in ctx [:api :jobs])]
    (jobs (jobs/id->str id))))

(defn job-result
  "The result of a job that has ended."
  [job]
  (:result job))

(defn get-job-exposed-addr
  "Where an exposed port of a container job is reached: `{:address :port}`, or nil."
  [ctx id port]
  (let [{:keys [address ports]} (:agent (get-job ctx id))]
    (when-let [host-port (some (fn [[host container]] (when (= container port) host)) ports)]
      {:address address :port host-port})))

;;; Programs

(defn bash
  "An action job that runs a program in the job's folder. There is no shell: the first word is split
  at spaces (quotes hold together), all others are arguments as they are. `opts` may have `:env`.
  It fails when the program's exit code is not zero."
  {:arglists '([id & words] [id opts & words])}
  [id & args]
  (let [[opts words] (if (map? (first args)) [(first args) (rest args)] [{} args])]
    (action-job id (process/job-action words opts) (dissoc opts :work-dir))))

(def ^{:arglists '([id & words] [id opts & words])} shell "The same as `bash`." bash)
