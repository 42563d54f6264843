(ns monkey.ci.script.actions
  "Running an action job: what it needs is fetched, its function is called, what it leaves is kept.

  `execute` gives `{:status … :result …}`, whatever happens; it tells its progress through `post`,
  a function of an event's type and fields."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [monkey.ci.build.core :as core]
            [monkey.ci.jobs :as jobs]
            [monkey.ci.script.api-client :as api]
            [monkey.ci.script.edn :as edn]
            [monkey.ci.script.load :as load])
  (:import (java.io File StringWriter)))

(defn work-dir
  "Where the job works, as an absolute path; nil when nobody knows where the checkout is."
  [ctx]
  (when-let [checkout (get-in ctx [:build :checkout-dir])]
    (let [dir (get-in ctx [:job :work-dir])
          ^File file (if (and dir (.isAbsolute (io/file dir)))
                       (io/file dir)
                       (io/file checkout (or dir ".")))]
      (-> file .toPath .toAbsolutePath .normalize str))))

;;; What a function gives

(defn- failed [ctx e]
  (let [frames (load/script-frames (get-in ctx [:build :script :script-dir] ".") e)]
    (cond-> {:status  :failure
             :message (or (not-empty (ex-message e)) (.getName (class e)))
             :error   (str/join "\n    at " (cons (str (.getName (class e)) ": " (ex-message e))
                                                  (take 20 frames)))}
      (seq frames) (assoc :at (first frames)))))

(defn- odd-value [x]
  (core/add-warning core/success
                    {:message (str "The action gave something that is neither nil, nor a map with a "
                                   ":status, nor a job")
                     :result  (edn/sanitise x)}))

(def ^:private statuses [:success :failure :error :skipped :canceled])

(defn told
  "What an action said of itself. A status that nobody knows would count as neither good nor bad."
  [{:keys [status] :as result}]
  (if (some #{status} statuses)
    result
    (assoc result
           :status :failure
           :message (str "The action gave the status " (pr-str status) "; there are "
                         (str/join ", " statuses)))))

(defn- resolvable? [x]
  (or (jobs/job? x) (fn? x) (var? x) (vector? x) (instance? clojure.lang.LazySeq x)))

(defn- call
  "Calls the job's function and makes a result of what it gives; a job that it gives is run in
  its place."
  [{:keys [job] :as ctx}]
  (let [value ((:action job) ctx)]
    (cond
      (nil? value) core/success
      (and (map? value) (some? (:status value))) (told value)
      (resolvable? value)
      (let [inner (first (load/resolve-jobs value ctx))]
        (cond
          (nil? inner) core/success
          (jobs/action-job? inner)
          (recur (assoc ctx :job (merge {:id (:id job)} inner {:work-dir (:work-dir job)})))
          :else (throw (ex-info "An action can give another action job, and no container job"
                                {:job (:id inner)}))))
      :else (odd-value value))))

(defn- tee-of [out kept]
  (if (System/getProperty "babashka.version")
    kept
    ((requiring-resolve 'monkey.ci.script.tee/tee) out kept)))

(defn- spell-time [ms]
  (if (zero? (long (rem ms 1000))) (str (quot ms 1000) " s") (str (/ ms 1000.0) " s")))

(defn within
  "What `f` gives, if it gives it in the job's `:timeout`, which is in milliseconds. An action that does
  not hear that it is interrupted goes on, but nobody waits for it."
  [job f]
  (if-let [most (jobs/timeout job)]
    (let [work (future (f))]
      (try
        (let [result (deref work most ::late)]
          (if (= ::late result)
            (do (future-cancel work)
                (core/with-message core/failure (str "timed out after " (spell-time most))))
            result))
        (catch InterruptedException e
          (future-cancel work)
          (throw e))
        (catch java.util.concurrent.ExecutionException e
          (throw (or (ex-cause e) e)))))
    (f)))

(defn- call-and-listen
  "Calls the job's function; what it prints goes to the script's log and into its result."
  [ctx]
  (let [kept   (StringWriter.)
        out    *out*
        result (try
                 (binding [*out* (tee-of out kept)]
                   (within (:job ctx) #(call ctx)))
                 (catch InterruptedException _
                   {:status :canceled :message "canceled"})
                 (catch Throwable e
                   (failed ctx e)))
        said   (str kept)]
    (when (System/getProperty "babashka.version")
      (print said))
    (flush)
    (cond-> result
      (and (seq said) (nil? (:output result))) (assoc :output said))))

;;; What it needs and leaves

(defn- restore [ctx job]
  (run! #(api/restore-artifact ctx %) (:restore-artifacts job))
  (run! #(api/restore-cache ctx %) (:caches job)))

(defn- save [ctx job]
  (run! #(api/save-cache ctx %) (:caches job))
  (doseq [{:keys [id path] :as artifact} (:save-artifacts job)]
    (when-not (api/save-artifact ctx artifact)
      (throw (ex-info (str "There is nothing at path " path " to save as artifact " id)
                      {:artifact id :path path})))))

(defn- spoiled
  "The result of a job whose files could not be moved; one that has failed anyway stays as it is."
  [ctx result e]
  (if (core/failed? result) result (merge (dissoc result :status) (failed ctx e))))

(defn- saved [ctx job result]
  (try
    ;; Of a job that is canceled nobody needs anything, and its thread may be asked to stop.
    (when-not (= :canceled (:status result))
      (save ctx job))
    result
    (catch Throwable e
      (spoiled ctx result e))))

(defn execute
  "Runs the context's job. Gives `{:status … :result …}`. `told!` waits until all that was posted
  has arrived: an action may end the whole process."
  [{:keys [job] :as ctx} post told!]
  (let [dir (work-dir ctx)
        ctx (cond-> ctx dir (assoc-in [:job :work-dir] dir))]
    (post :job/initializing {:local-dir dir :credit-multiplier nil})
    (let [result (try
                   (restore ctx job)
                   nil
                   (catch Throwable e
                     (failed ctx e)))
          result (or result
                     (do (post :job/start {:credit-multiplier nil})
                         (told!)
                         (saved ctx job (call-and-listen ctx))))]
      {:status (:status result :success)
       :result (dissoc result :status :exception)})))
