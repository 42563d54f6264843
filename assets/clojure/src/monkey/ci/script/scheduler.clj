(ns monkey.ci.script.scheduler
  "Which job is next: the rules by which a build goes on, without any waiting.

  A state is a plain map. `start`, `ended`, `unblocked` and `canceled` give `[state orders]`; an
  order is `[:queue id]`, `[:block id]`, `[:skip id]` or `[:end status message]`, to be carried out
  in their order. A dependency is fulfilled by success only, so what depends on a job that failed or
  was skipped never runs."
  (:require [monkey.ci.jobs :as jobs]))

(defn init
  "The state before anything has happened. Of two jobs with one id the last counts."
  [all]
  {:order     (into [] (comp (map :id) (distinct)) all)
   :jobs      (into {} (map (juxt :id #(assoc % :status :pending))) all)
   :blocked   #{}
   :unblocked #{}})

(defn job
  "The job with this id, with its status; nil when there is none."
  [state id]
  (get-in state [:jobs id]))

(defn- all-jobs [{:keys [order jobs]}]
  (map jobs order))

(defn active?
  "Whether some job was queued and has not ended."
  [state]
  (boolean (some jobs/active? (vals (:jobs state)))))

(defn- ready? [state {:keys [dependencies] :as job}]
  (and (jobs/pending? job)
       (every? #(jobs/success? (get-in state [:jobs %])) dependencies)))

(defn- waits? [state {:keys [id] :as job}]
  (and (jobs/blocked? job) (not (contains? (:unblocked state) id))))

(defn- final-status [state]
  (cond
    (:canceled? state) :canceled
    (some jobs/failed? (vals (:jobs state))) :error
    :else :success))

(defn- skip-rest [state]
  (let [left (map :id (filter jobs/pending? (all-jobs state)))]
    [(reduce #(assoc-in %1 [:jobs %2 :status] :skipped) state left)
     (mapv #(vector :skip %) left)]))

(defn- end [state status & [message]]
  (let [[state skips] (skip-rest state)]
    [(assoc state :ended? true) (conj skips [:end status message])]))

(defn- go-on
  "Queues and blocks what is ready; ends the script when nothing is, and nothing is active."
  [{:keys [canceled? ended?] :as state}]
  (let [ready   (filter #(ready? state %) (all-jobs state))
        waiting (filter #(waits? state %) ready)
        ids     (map :id (remove #(waits? state %) ready))
        fresh   (remove (:blocked state) (map :id waiting))]
    (cond
      ended? [state []]
      canceled? (if (active? state) [state []] (end state :canceled))
      (seq ready) [(-> (reduce #(assoc-in %1 [:jobs %2 :status] :queued) state ids)
                       (update :blocked into fresh))
                   (into (mapv #(vector :queue %) ids) (map #(vector :block %)) fresh)]
      (active? state) [state []]
      :else (end state (final-status state)))))

(defn start
  "The script begins."
  [state]
  (if (some #(ready? state %) (all-jobs state))
    (go-on state)
    (end state :error "No jobs to run")))

(defn ended
  "A job has ended; told twice, it has ended once."
  [state id status result]
  (if (jobs/active? (job state id))
    (go-on (update-in state [:jobs id] assoc :status (or status :success) :result result))
    [state []]))

(defn unblocked
  "Somebody has approved a job."
  [state id]
  (if (and (job state id) (jobs/pending? (job state id)))
    (go-on (update state :unblocked conj id))
    [state []]))

(defn canceled
  "The build is canceled: what was not queued is skipped, what is active may end."
  [{:keys [canceled? ended?] :as state}]
  (if (or canceled? ended?)
    [state []]
    (let [[state skips] (skip-rest (assoc state :canceled? true))
          [state orders] (go-on state)]
      [state (into skips orders)])))
