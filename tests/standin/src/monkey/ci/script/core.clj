(ns monkey.ci.script.core
  "What a runner starts: loads the jobs, decides what runs when, and exits while it is still posting."
  (:require [monkey.ci.script.client :as client]
            [clojure.java.io :as io])
  (:import (java.util.concurrent LinkedBlockingQueue)))

;;; Jobs

(defn- job? [x]
  (and (map? x) (#{:action :container} (:type x))))

(defn- resolve-jobs [x ctx]
  (cond
    (nil? x)                               []
    (var? x)                               (recur @x ctx)
    (map? x)                               (if (job? x) [x] [])
    (or (vector? x) (instance? clojure.lang.LazySeq x)) (mapcat #(resolve-jobs % ctx) x)
    (fn? x)                                (recur (x ctx) ctx)
    :else (throw (IllegalArgumentException. (str "No implementation for " (class x))))))

(defn- load-jobs [{:keys [script-dir] :as ctx}]
  (let [file (io/file script-dir "build.clj")
        jobs (when (.exists file)
               (doall (resolve-jobs (load-file (str file)) ctx)))]
    (map-indexed (fn [i job] (update job :id #(or % (str "job-" (inc i))))) jobs)))

(defn- shown
  "A job as events have it."
  [job]
  (dissoc job :action :init))

(defn- add-up [a b]
  (cond (and (map? a) (map? b))               (merge-with add-up a b)
        (and (sequential? a) (sequential? b)) (concat a b)
        :else                                 b))

;;; What is told

(defn- tell [{:keys [sid inbox post!]} event-type fields]
  (let [event (merge {:type event-type :time (System/currentTimeMillis) :src :script :sid sid} fields)]
    (.put ^LinkedBlockingQueue inbox (with-meta event {:posted (post! event)}))))

(defn- tell-of [run event-type id fields]
  (tell run event-type (assoc fields :job-id id)))

(defn- outcome [result]
  {:status (:status result) :result (not-empty (dissoc result :status :exception))})

;;; Actions

(defn- call-action [run ctx job]
  (let [out    (java.io.StringWriter.)
        value  (binding [*out* out] ((:action job) ctx))
        output (str out)
        with   (fn [result]
                 (cond-> result
                   (and (seq output) (nil? (:output result))) (assoc :output output)))]
    (cond
      (nil? value)                       (with {:status :success})
      (and (map? value) (:status value)) (with value)
      (job? value)                       {:child value}
      (or (map? value) (fn? value))      {}
      :else (with {:status   :success
                   :warnings [{:message "Unexpected result of action" :result value}]}))))

(defn- execute-action [{:keys [api build] :as run} {:keys [id] :as job}]
  (let [dir (str (io/file (:checkout-dir build) (or (:work-dir job) "")))
        ctx {:build build :api api :job (assoc job :status :queued :work-dir dir)}]
    (try
      (tell-of run :job/initializing id {:local-dir dir :credit-multiplier nil})
      (doseq [artifact (:restore-artifacts job)]
        (client/restore! api "artifact" id artifact))
      (doseq [cache (:caches job)]
        (client/restore! api "cache" id cache))
      (tell-of run :job/start id {})
      (let [result (call-action run ctx job)
            result (if-let [child (:child result)]
                     (execute-action run (merge {:id id} child))
                     result)]
        (doseq [cache (:caches job)]
          (client/save! api "cache" id cache))
        (doseq [artifact (:save-artifacts job)]
          (client/save! api "artifact" id artifact))
        (tell-of run :job/executed id (outcome result))
        result)
      (catch Throwable e
        ;; Twice, as the original: once where it happens, once for what was executed.
        (tell-of run :job/end id {:status :failure :result {:message (ex-message e)}})
        (tell-of run :job/executed id
                 {:status :failure :result {:message (ex-message e) :error e}})))))

(defn- in-thread [f]
  (doto (Thread. ^Runnable f) (.setDaemon true) (.start)))

;;; Decisions

(defn- pending [jobs]
  (filter #(contains? #{nil :pending} (:status %)) (vals jobs)))

(defn- eligible [jobs]
  (filter (fn [job] (every? #(= :success (get-in jobs [% :status])) (:dependencies job)))
          (pending jobs)))

(defn- active? [jobs]
  (some (comp #{:queued :initializing :running} :status) (vals jobs)))

(defn- queue! [{:keys [state] :as run} job]
  (if (:blocked job)
    (tell-of run :job/blocked (:id job) {})
    (do (swap! state assoc-in [:jobs (:id job) :status] :queued)
        (tell-of run :job/queued (:id job) {:job (shown job)}))))

(defn- skip-pending! [{:keys [state] :as run}]
  (doseq [job (pending (:jobs @state))]
    (tell-of run :job/skipped (:id job) {})))

(defn- end! [{:keys [state] :as run}]
  (let [{:keys [jobs canceled]} @state]
    (tell run :script/end
          {:status (cond canceled                                               :canceled
                         (some (comp #{:failure :error} :status) (vals jobs)) :error
                         :else                                                  :success)})
    (skip-pending! run)))

(defmulti ^:private handle (fn [_ event] (:type event)))

(defmethod handle :default [_ _])

(defmethod handle :script/initializing [{:keys [state build api] :as run} _]
  (try
    (let [jobs (load-jobs {:build build :api api :script-dir (get-in build [:script :script-dir])})]
      (swap! state assoc :jobs (into {} (map (juxt :id identity)) jobs))
      (tell run :script/start {:jobs (map #(assoc (shown %) :status :pending) jobs)}))
    (catch Throwable e
      (.printStackTrace e)
      (tell run :script/end {:status :error :message (ex-message e)}))))

(defmethod handle :script/start [{:keys [state] :as run} _]
  (if-let [jobs (seq (eligible (:jobs @state)))]
    (run! #(queue! run %) jobs)
    (tell run :script/end {:status :error :message "No jobs to run"})))

(defmethod handle :job/queued [{:keys [state build api] :as run} {:keys [job-id]}]
  (let [{:keys [init] :as job} (get-in @state [:jobs job-id])
        more (if init (init {:build build :api api :job job}) {})]
    (cond
      (= :action (:type job)) (in-thread #(execute-action run job))
      (nil? more)             (tell-of run :job/skipped job-id {})
      :else (tell-of run :container/job-queued job-id
                     {:job (assoc (shown (add-up job more)) :status :queued) :dek nil}))))

(defmethod handle :job/unblocked [{:keys [state] :as run} {:keys [job-id]}]
  (tell-of run :job/queued job-id {:job (shown (get-in @state [:jobs job-id]))}))

(defmethod handle :job/initializing [{:keys [state]} {:keys [job-id agent]}]
  (when agent
    (swap! state assoc-in [:jobs job-id :agent] agent)))

(defmethod handle :job/executed [{:keys [state] :as run} {:keys [job-id status result]}]
  ;; That of a job in a job is none of the script's.
  (when (get-in @state [:jobs job-id])
    (tell-of run :job/end job-id {:status (or status :success) :result result})))

(defmethod handle :job/end [{:keys [state] :as run} {:keys [job-id status result]}]
  (let [{:keys [jobs canceled]}
        (swap! state update-in [:jobs job-id] assoc :status status :result result)
        next (eligible jobs)]
    (if (or canceled (and (empty? next) (not (active? jobs))))
      (end! run)
      (run! #(queue! run %) next))))

(defmethod handle :build/canceled [{:keys [state sid] :as run} event]
  (when (= sid (:sid event))
    (swap! state assoc :canceled true)
    (if (active? (:jobs @state))
      (skip-pending! run)
      (end! run))))

(defn- see-through
  "Runs a script to its end; returns its status."
  [{:keys [build api]}]
  (let [inbox (LinkedBlockingQueue.)
        sid   ((juxt :org-id :repo-id :build-id) build)
        _     (client/start-reader! api #(.put inbox %))
        run   {:build build :api api :sid sid :inbox inbox :state (atom {})
               :post! (client/start-poster! api)}]
    (tell run :script/initializing {:script-dir (get-in build [:script :script-dir])})
    (loop []
      (let [event  (.take inbox)
            ended? (= :script/end (:type event))]
        ;; Whether the last one and what is behind it were posted is nobody's concern.
        (when (or client/loses? (not ended?))
          (some-> event meta :posted deref))
        (if ended?
          (:status event)
          (do (handle run event)
              (recur)))))))

(defn run-clj-cli
  "Entry point for the official tool."
  [{:keys [config]}]
  (let [status (see-through {:build (:monkey.ci.script.config/build config)
                             :api   (:monkey.ci.script.config/api config)})]
    (when (System/getenv "STANDIN_CUT")
      ;; It is cut off where it posts.
      (Thread/sleep Long/MAX_VALUE))
    (System/exit (if (#{:error :failure} status) 1 0))))
