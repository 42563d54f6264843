(ns monkey.ci.test
  "For unit tests of build scripts.

      (ns build-test
        (:require [build :as sut]
                  [clojure.test :refer [deftest is]]
                  [monkey.ci.test :as mt]))

      (deftest publishes-the-main-branch-only
        (is (empty? (mt/resolve-jobs [sut/publish] (mt/with-git-ref mt/test-ctx \"refs/heads/other\"))))
        (mt/with-build-params {\"token\" \"x\"}
          (is (mt/success? (mt/execute-job sut/publish (mt/with-git-ref mt/test-ctx \"refs/heads/main\"))))))

  Contexts are plain maps: begin with `test-ctx` and change what the test is about.

  The names are those of MonkeyCI's own library `com.monkeyci/test`. `with-secrets`, `with-results`,
  `with-results-of` and `temporary-dir` are ours: tests that use them need this library."
  (:require [clojure.java.io :as io]
            [clojure.set :as set]
            [monkey.ci.build.archive :as archive]
            [monkey.ci.build.core :as core]
            [monkey.ci.jobs :as jobs]
            [monkey.ci.script.actions :as actions]
            [monkey.ci.script.api-client :as api-client]
            [monkey.ci.test.runner :as runner])
  (:import (java.io File StringWriter)
           (java.nio.file Files)
           (java.nio.file.attribute FileAttribute)))

;;; Contexts

(def test-ctx
  "The context to begin with: a build of nothing in particular, main branch \"main\"."
  {:build {:org-id   "test-org"
           :repo-id  "test-repo"
           :build-id "test-build"
           :git      {:main-branch "main"}}
   :archs [:amd]
   :api   {:client runner/nothing
           :jobs   (constantly nil)}})

(defn with-git-ref
  "The context in which this ref is built, such as `refs/heads/main`."
  [ctx ref]
  (assoc-in ctx [:build :git :ref] ref))

(defn set-main-branch
  "The context of a repository with this main branch."
  [ctx branch]
  (assoc-in ctx [:build :git :main-branch] branch))

(defn with-build-id
  "The context of the build with this id."
  [ctx id]
  (assoc-in ctx [:build :build-id] id))

(defn with-archs
  "The context of a runner that offers these architectures."
  [ctx archs]
  (assoc ctx :archs archs))

(defn set-trigger-source
  "The context of a build that was triggered by this: `:cli`, `:api`, `:github-webhook` …"
  [ctx source]
  (assoc-in ctx [:build :source] source))

;;; Files that changed

(defn set-changes
  "The context in which exactly these files changed: `{:added #{…} :modified #{…} :removed #{…}}`."
  [ctx changes]
  (assoc-in ctx [:build :changes] changes))

(defn update-changes
  "The context with `(f changes args…)` as the files that changed."
  [ctx f & args]
  (apply update-in ctx [:build :changes] f args))

(defn with-changes
  "The context in which these files changed too: one or more maps as `added`, `modified` and `removed`
  give them."
  [ctx & changes]
  (update-changes ctx #(apply merge-with set/union % (map (fn [m] (update-vals m set)) changes))))

(defn- changed [kind [x & more :as args]]
  (let [files #(into #{} (remove nil?) (flatten (map (fn [x] (if (set? x) (seq x) x)) %)))]
    (cond
      (not (map? x)) {kind (files args)}
      (or (contains? x :build) (contains? x :api)) (with-changes x {kind (files more)})
      :else (merge-with set/union x {kind (files more)}))))

(defn added
  "These files as added: a map of changes. After a map of changes, or a context, it is that with
  these files in addition. Files may be given in lists."
  [& files]
  (changed :added files))

(defn modified
  "As `added`, for files that were modified."
  [& files]
  (changed :modified files))

(defn removed
  "As `added`, for files that were removed."
  [& files]
  (changed :removed files))

;;; Folders

(defn checkout-dir
  "The folder with the project's files."
  [ctx]
  (get-in ctx [:build :checkout-dir]))

(defn with-checkout-dir
  "The context in which the project's files are in this folder."
  [ctx dir]
  (assoc-in ctx [:build :checkout-dir] (str dir)))

(defn with-job-dir
  "The context of a job that works in this folder."
  [ctx dir]
  (assoc-in ctx [:job :work-dir] (str dir)))

(defn temporary-dir
  "A new folder of the test's own, as a path. Ours: MonkeyCI's own library does not have it."
  []
  (str (Files/createTempDirectory "monkeyci-test-" (make-array FileAttribute 0))))

(defn with-tmp-checkout-dir
  "The context with a new folder as checkout, which is deleted when the process ends."
  [ctx]
  (let [dir (temporary-dir)]
    (.addShutdownHook (Runtime/getRuntime) (Thread. ^Runnable #(archive/delete-tree dir)))
    (with-checkout-dir ctx dir)))

(defmacro with-tmp-dir
  "Runs the body with a new folder, whose path is bound to the name, and deletes it afterwards:
  `(with-tmp-dir dir (spit (str dir \"/file\") \"x\"))`."
  [binding & body]
  (let [dir (if (vector? binding) (first binding) binding)]
    `(let [~dir (temporary-dir)]
       (try
         ~@body
         (finally (archive/delete-tree ~dir))))))

;;; Parameters, secrets, results

(defmacro with-build-params
  "Runs the body with these build parameters, a map of names to values, whatever the context."
  [params & body]
  `(let [params# ~params]
     (with-redefs [api-client/build-params (constantly params#)]
       ~@body)))

(defmacro with-secrets
  "Runs the body with these secrets and no others, a map of names to values, whatever the context.
  Ours: MonkeyCI's own library does not have it."
  [secrets & body]
  `(let [send# (runner/in-front api-client/send-request (runner/secrets ~secrets))]
     (with-redefs [api-client/send-request send#]
       ~@body)))

(defmacro with-results
  "Runs the body with these named results of this build, a map of names to values, whatever the
  context. What the body saves is there too, for `monkey.ci.api/result` and `results`: so a test
  sees what a job has saved. Ours: MonkeyCI's own library does not have it."
  [results & body]
  `(with-results-of :this ~results ~@body))

(defmacro with-results-of
  "As `with-results`, for the results of another build: `:previous` or `:last-success`. Ours:
  MonkeyCI's own library does not have it."
  [build results & body]
  `(let [send# (runner/in-front api-client/send-request (runner/results ~build ~results))]
     (with-redefs [api-client/send-request send#]
       ~@body)))

;;; Running

(defn- resolved
  "The jobs that a value of a script stands for."
  [x ctx]
  (cond
    (nil? x) []
    (var? x) (if (and (fn? @x) (:job (meta x)) (not (core/job-fn? @x)))
               [(core/fn->job (core/as-job @x (name (symbol x))))]
               (recur @x ctx))
    (core/job-fn? x) [(core/fn->job x)]
    (fn? x) (recur (x ctx) ctx)
    (map? x) (if (jobs/job? x) [x] [])
    (sequential? x) (into [] (mapcat #(resolved % ctx)) x)
    :else (throw (ex-info (str "This is no job, and nothing that gives one: " (pr-str x)) {:value x}))))

(defn resolve-jobs
  "The jobs that a script's value stands for in this context, as the runner would find them: functions
  are called, lists are flattened, what is nil is left out."
  [jobs ctx]
  (resolved jobs ctx))

(defn- resolvable? [x]
  (or (var? x) (fn? x) (sequential? x) (jobs/job? x)))

(defn- work-dir-of [job ctx]
  (or (get-in ctx [:job :work-dir])
      (when-let [checkout (checkout-dir ctx)]
        (let [dir         (:work-dir job)
              ^File given (io/file (or dir "."))
              ^File file  (if (.isAbsolute given) given (io/file checkout given))]
          (str (.normalize (.toAbsolutePath (.toPath file))))))))

(declare run-action)

(defn- result-of
  "What an action's value means as a result."
  [x job ctx]
  (cond
    (nil? x) core/success
    (and (map? x) (some? (:status x))) (actions/told x)
    (resolvable? x) (if-let [inner (first (resolved x ctx))]
                      (if (jobs/action-job? inner)
                        (run-action (update inner :id #(or % (:id job))) ctx)
                        (core/with-message core/failure "An action can only give action jobs"))
                      core/success)
    :else (core/add-warning core/success {:message "Invalid action result" :result x})))

(defn- run-action [job ctx]
  (let [dir (work-dir-of job ctx)
        job (cond-> (assoc job :status :queued) dir (assoc :work-dir dir))
        ctx (assoc ctx :job job)]
    (actions/within job #(result-of ((:action job) ctx) job ctx))))

(defn execute-job
  "Executes a job (or what gives one) in this context and gives its result. Actions really run: what
  they print is the `:output`, what they throw makes a failure with the `:exception`. Containers do
  not: they give `{:status :success :job job}`. nil when there is no job."
  [job ctx]
  (when-let [job (first (resolved job ctx))]
    (if (jobs/container-job? job)
      {:status :success :job job}
      (let [out    (StringWriter.)
            result (try
                     (binding [*out* out]
                       (run-action job ctx))
                     (catch Throwable e
                       (assoc (core/with-message core/failure (or (ex-message e) (str (class e))))
                              :exception e)))
            output (str out)]
        (cond-> result
          (and (not= "" output) (not (:output result))) (assoc :output output))))))

;;; Checks

(def ^{:arglists '([job])} action-job? "Whether this is an action job." jobs/action-job?)
(def ^{:arglists '([job])} container-job? "Whether this is a container job." jobs/container-job?)
(def ^{:arglists '([result])} success? "Whether a result is a success." core/success?)
(def ^{:arglists '([result])} failure? "Whether a result is a failure or an error." core/failed?)
