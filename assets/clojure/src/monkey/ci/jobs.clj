(ns monkey.ci.jobs
  "What a job says of itself, and what became of it. A job is a plain map."
  (:require [clojure.string :as str]))

;;; Ids and types

(defn id->str
  "A job or artifact id as text: scripts may write keywords."
  [id]
  (cond
    (nil? id) nil
    (keyword? id) (subs (str id) 1)
    :else (str id)))

(def ^{:arglists '([job])} job-id
  "The id of a job."
  :id)

(defn action-job?
  "Whether the job runs a function in the script's process."
  [job]
  (= :action (:type job)))

(defn container-job?
  "Whether the job runs in a container."
  [job]
  (= :container (:type job)))

(defn job?
  "Whether this is a job of either type."
  [x]
  (and (map? x) (or (action-job? x) (container-job? x))))

;;; Properties

(def ^{:arglists '([job])} deps
  "The ids of the jobs that have to succeed first."
  :dependencies)

(def ^{:arglists '([job])} labels
  "The labels of a job."
  :labels)

(def ^{:arglists '([job])} save-artifacts
  "What the job leaves to others: `{:id :path}` maps."
  :save-artifacts)

(def ^{:arglists '([job])} restore-artifacts
  "What the job needs of others: `{:id :path}` maps."
  :restore-artifacts)

(def ^{:arglists '([job])} caches
  "What is kept for the next build: `{:id :path}` maps."
  :caches)

(def ^{:arglists '([job])} script
  "The commands of a container job."
  :script)

(def ^{:arglists '([job])} work-dir
  "Where the job works."
  :work-dir)

(def ^{:arglists '([job])} timeout
  "How long the job may take, in milliseconds."
  :timeout)

(def ^{:arglists '([job])} schema
  "The version of the job's shape; `:v1` when it says none."
  #(get % :schema :v1))

(defn blocked?
  "Whether the job waits for approval."
  [job]
  (boolean (:blocked job)))

(defn arch
  "The architecture the job wants, as a keyword; nil when it wants none in particular."
  [job]
  (some-> (:arch job) name str/lower-case keyword))

;;; Size

(defn size->cpus
  "Processors of a job of this size."
  [size]
  size)

(defn size->mem
  "Memory of a job of this size, in GB."
  [size]
  (* 2 size))

(defn cpus
  "Processors the job wants: by its `:size`, else its `:cpus`; nil when it has neither."
  [{:keys [size cpus]}]
  (if size (size->cpus size) cpus))

(defn memory
  "Memory the job wants, in GB: by its `:size`, else its `:memory`; nil when it has neither."
  [{:keys [size memory]}]
  (if size (size->mem size) memory))

;;; Status

(def ^{:arglists '([job])} status
  "The status of a job."
  :status)

(def ^{:arglists '([job])} result
  "The result of a job, once it has ended."
  :result)

(defn pending?
  "Whether the job was not queued yet."
  [job]
  (contains? #{nil :pending} (:status job)))

(defn active?
  "Whether the job was queued and has not ended."
  [job]
  (contains? #{:queued :initializing :running} (:status job)))

(defn success?
  "Whether the job has succeeded."
  [job]
  (= :success (:status job)))

(defn failed?
  "Whether the job has failed."
  [job]
  (contains? #{:failure :error} (:status job)))

(defn skipped?
  "Whether the job was skipped."
  [job]
  (= :skipped (:status job)))

(defn ended?
  "Whether nothing more will happen to the job."
  [job]
  (not (or (pending? job) (active? job) (= :blocked (:status job)))))
