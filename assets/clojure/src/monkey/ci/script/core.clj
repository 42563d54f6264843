(ns monkey.ci.script.core
  "Runs a build script: loads its jobs and sees them through, telling the runner what happens.

  One thread decides (see `monkey.ci.script.scheduler`): all that happens reaches it as a message.
  Each job has a thread of its own for what may take long: extensions, `init` functions, actions."
  (:require [clojure.string :as str]
            [monkey.ci.extensions :as ext]
            [monkey.ci.jobs :as jobs]
            [monkey.ci.script.actions :as actions]
            [monkey.ci.script.events :as events]
            [monkey.ci.script.http :as http]
            [monkey.ci.script.load :as load]
            [monkey.ci.script.report :as report]
            [monkey.ci.script.scheduler :as scheduler])
  (:import (java.util.concurrent LinkedBlockingQueue TimeUnit)))

(def ^:private patience
  "How long actions may take to end when the build is canceled, in milliseconds."
  5000)

;;; What a script run has

(defn- sid [{:keys [org-id repo-id build-id]}]
  [org-id repo-id build-id])

(defn- now []
  (System/currentTimeMillis))

(defn- tell
  "Posts an event of the script's own."
  [{:keys [build post!]} event-type fields]
  (post! (merge {:type event-type :time (now) :sid (sid build) :src :script} fields)))

(defn- tell-of-job [run event-type id fields]
  (tell run event-type (assoc fields :job-id id)))

(defn- context
  "What a job's functions get."
  [{:keys [base]} job]
  (assoc base :job job))

(defn- send! [{:keys [^LinkedBlockingQueue inbox]} message]
  (.put inbox message))

;;; A job's own thread

(defn- deep-merge [a b]
  (cond
    (and (map? a) (map? b)) (merge-with deep-merge a b)
    (and (sequential? a) (sequential? b)) (into (vec a) b)
    :else b))

(defn- ended! [run id status result]
  (tell-of-job run :job/end id {:status status :result result})
  (send! run [:ended id status result]))

(defn- finish!
  "What follows when a job was executed: extensions add to its result, and it ends."
  [run job status result]
  (let [ctx    (ext/apply-extensions-after
                (context run (assoc job :status status :result (or result {}))))
        job    (:job ctx)
        status (:status job status)]
    (ended! run (:id job) status (:result job))))

(defn- run-action! [run {:keys [id] :as job}]
  (let [{:keys [status result]} (actions/execute (context run job)
                                                 #(tell-of-job run %1 id %2)
                                                 (:told! run))]
    (tell-of-job run :job/executed id {:status status :result result})
    (finish! run job status result)))

(defn- hand-over!
  "Completes a container job by its `init` and gives it to the runner; without a job there is
  nothing to run."
  [run {:keys [id init] :as job}]
  (let [more (if init (init (context run job)) {})]
    (if (nil? more)
      (do (tell-of-job run :job/skipped id {})
          (send! run [:ended id :skipped {}]))
      (let [job (deep-merge job (dissoc more :id))]
        (send! run [:changed id job])
        (tell-of-job run :container/job-queued id {:job (events/job->data job) :dek nil})))))

(defn- queue! [run {:keys [id] :as job}]
  (try
    (let [changed (assoc (:job (ext/apply-extensions-before (context run job))) :id id)]
      (when-not (= changed job)
        (send! run [:changed id changed]))
      (tell-of-job run :job/queued id {:job (events/job->data changed)})
      (if (jobs/action-job? changed)
        (run-action! run changed)
        (hand-over! run changed)))
    (catch Throwable e
      (ended! run id :failure {:message (load/explain (:script-dir run) e)}))))

(defn- in-thread! [{:keys [threads]} id f]
  ;; The printing of a job that is started by another one goes to the script's own output.
  (let [f      (bound-fn [] (f))
        thread (events/daemon (str "job " id) f)]
    (swap! threads assoc id thread)))

;;; Carrying out what the scheduler orders

(defn- carry-out!
  "Carries out an order; gives the final status when it is the last one."
  [{:keys [state] :as run} [order id message]]
  (case order
    :queue (let [job (scheduler/job @state id)]
             (in-thread! run id #(queue! run job))
             nil)
    :block (do (tell-of-job run :job/blocked id {}) nil)
    :skip  (do (tell-of-job run :job/skipped id {}) nil)
    :end   (do (tell run :script/end (cond-> {:status id} message (assoc :message message)))
               id)))

(defn- apply-step! [{:keys [state] :as run} step & args]
  (let [[after orders] (apply step @state args)]
    (reset! state after)
    (last (keep #(carry-out! run %) orders))))

(defn- interrupt-actions! [{:keys [state threads]}]
  (doseq [[id ^Thread thread] @threads
          :let [job (scheduler/job @state id)]
          :when (and (jobs/active? job) (jobs/action-job? job))]
    (.interrupt thread)))

(defn- heard
  "What an event of the runner asks for; gives the final status when the script is over."
  [{:keys [state build] :as run} {:keys [job-id status result] :as event}]
  (let [id  (jobs/id->str job-id)
        job (scheduler/job @state id)]
    (case (:type event)
      :job/executed     (when (and (jobs/active? job) (jobs/container-job? job)
                                   (not (contains? @(:executed run) id)))
                          (swap! (:executed run) conj id)
                          (in-thread! run id #(finish! run job (or status :success) result))
                          nil)
      :job/end          (apply-step! run scheduler/ended id status result)
      :job/initializing (do (when (and job (:agent event))
                              (swap! state assoc-in [:jobs id :agent] (:agent event)))
                            nil)
      :job/unblocked    (apply-step! run scheduler/unblocked id)
      :build/canceled   (when (= (sid build) (vec (:sid event)))
                          (let [over (apply-step! run scheduler/canceled)]
                            (interrupt-actions! run)
                            over))
      nil)))

(defn- take-message [{:keys [^LinkedBlockingQueue inbox state]}]
  (if (:canceled? @state)
    (or (.poll inbox patience TimeUnit/MILLISECONDS) [:impatient])
    (.take inbox)))

(defn- see-through!
  "Takes messages until the script is over; gives its final status."
  [{:keys [state] :as run} over]
  (loop [over over]
    (or over
        (let [[what & args] (take-message run)]
          (recur
           (case what
             :event     (heard run (first args))
             :ended     (apply apply-step! run scheduler/ended args)
             :changed   (let [[id job] args]
                          (swap! state update-in [:jobs id]
                                 (fn [known] (merge known (dissoc job :status :result))))
                          nil)
             ;; An action that does not listen to being interrupted ends with the process.
             :impatient (do (tell run :script/end {:status :canceled}) :canceled)
             :lost      (do (binding [*out* *err*] (println (first args))) :error)))))))

;;; From a configuration to an exit code

(def ^:private names
  {:build    :monkey.ci.script.config/build
   :api      :monkey.ci.script.config/api
   :filter   :monkey.ci.script.config/filter
   :archs    :monkey.ci.script.config/archs
   :declared :monkey.ci.script.config/declared})

(defn- new-run [config]
  (let [{:keys [build api archs]} (update-vals names config)
        inbox    (LinkedBlockingQueue.)
        state    (atom nil)
        client   (http/client api)
        on-lost  #(.put inbox [:lost (str "The runner cannot be reached any more: " %)])
        {:keys [post! told! close!]} (events/poster client on-lost)]
    {:build      build
     :script-dir (or (get-in build [:script :script-dir]) (System/getProperty "user.dir"))
     :http       client
     :inbox      inbox
     :state      state
     :threads    (atom {})
     :executed   (atom #{})
     :post!      post!
     :told!      told!
     :close!     close!
     :on-lost    on-lost
     :base       (cond-> {:build build
                          :api   {:client #(http/request client %)
                                  :jobs   #(scheduler/job @state (jobs/id->str %))
                                  :memo   (atom {})}}
                   (seq archs) (assoc :archs archs))}))

(defn- complain [{:keys [script-dir]} e]
  (binding [*out* *err*]
    (doseq [frame (take 8 (rest (load/script-frames script-dir e)))]
      (println "    at" frame))
    (println (report/report script-dir e))))

(defn- load-script [{:keys [script-dir base]} config]
  (load/load-jobs {:script-dir script-dir
                   :declared   (get config (:declared names))
                   :filter     (get config (:filter names))}
                  base))

(defn- run-jobs! [{:keys [state] :as run} all]
  (reset! state (scheduler/init all))
  (tell run :script/start {:jobs (mapv #(assoc (events/job->data %) :status :pending) all)})
  (see-through! run (apply-step! run scheduler/start)))

(defn run
  "Runs the script that a configuration describes. Gives its final status."
  [config]
  (let [{:keys [http inbox on-lost close! script-dir] :as run} (new-run config)
        hear (fn [{:keys [src] :as event}]
               (when-not (= :script src)
                 (.put ^LinkedBlockingQueue inbox [:event event])))]
    (if-let [deafen! (events/listen http hear on-lost)]
      (try
        (tell run :script/initializing {:script-dir script-dir})
        (let [all (try
                    (load-script run config)
                    (catch Throwable e
                      (complain run e)
                      (tell run :script/end {:status  :error
                                             :message (report/report script-dir e)})
                      nil))]
          (if all (run-jobs! run all) :error))
        (finally
          (flush)
          (close!)
          (deafen!)))
      (do (binding [*out* *err*] (println (second (.take ^LinkedBlockingQueue inbox)))) :error))))

(defn exit-code
  "What a script ends with: 0 also when it was canceled."
  [status]
  (if (contains? #{:error :failure} status) 1 0))

(defn exit!
  "Ends the process, whatever threads a script has left."
  [status]
  (flush)
  (binding [*out* *err*] (flush))
  (System/exit (exit-code status)))

(defn run-clj-cli
  "What the official Clojure tool calls, with the configuration under `:config`."
  [{:keys [config]}]
  (exit! (run config)))

(defn run-bb-cli
  "What babashka's task calls: with `:config` as above, or with `:url`, `:token`, `:sid` and
  `:checkout-dir`."
  [{:keys [config url socket token checkout-dir script-dir] :as args}]
  (let [[org repo build] (str/split (str (:sid args)) #"/")]
    (exit! (run (or config
                    {(:build names) (cond-> {:org-id org :repo-id repo :build-id build}
                                      checkout-dir (assoc :checkout-dir checkout-dir)
                                      script-dir (assoc-in [:script :script-dir] script-dir))
                     (:api names)   {:url url :socket socket :token token}})))))
