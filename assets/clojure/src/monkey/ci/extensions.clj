(ns monkey.ci.extensions
  "Extensions act before and after the jobs that have their key.

      (register! {:key :my/extension
                  :before (fn [ctx] …)      ; when the job is queued; may change the job
                  :after  (fn [ctx] …)})    ; when it was executed; may add to its result

  or the same as methods of `before-job` and `after-job`, which get key and context. Each function
  gives back the context. One that throws is reported and leaves the context as it was.")

(defmulti ^{:arglists '([key ctx])} before-job
  "What the extension with this key does to the context of a job that is queued: a multimethod."
  (fn [k _ctx] k))

(defmulti ^{:arglists '([key ctx])} after-job
  "What the extension with this key does to the context of a job that was executed: a multimethod."
  (fn [k _ctx] k))

(defonce ^{:doc "Registered extensions by their key."} registered
  (atom {}))

(defn register!
  "Adds an extension, a map of `:key` and of `:before` and/or `:after`. A later one replaces an
  earlier one with the same key."
  [{:keys [key] :as extension}]
  (when (nil? key)
    (throw (ex-info "An extension needs a :key" {:extension extension})))
  (swap! registered assoc key extension)
  extension)

(defmacro with-extensions
  "Runs the body with no other extensions than those it registers, and forgets those afterwards.
  For tests."
  [& body]
  `(let [before# @registered]
     (try
       (reset! registered {})
       ~@body
       (finally (reset! registered before#)))))

;;; For extensions

(defn get-config
  "What the job has under the extension's key."
  [ctx key]
  (get-in ctx [:job key]))

(defn update-job
  "The context with `(f job args…)` as its job."
  [ctx f & args]
  (apply update ctx :job f args))

(defn set-value
  "The context with this value under this key of the job's result. It has to be data: it becomes
  part of the job's last event."
  [ctx key value]
  (assoc-in ctx [:job :result key] value))

(defn get-value
  "What the job's result has under this key."
  [ctx key]
  (get-in ctx [:job :result key]))

;;; Applying them

(def ^:private on-demand
  "Extensions of this library's own: loaded when the first job has their key."
  {:junit 'monkey.ci.ext.junit})

(defn- load-on-demand [key]
  (when-let [ns-name (get on-demand key)]
    (when-not (or (contains? @registered key) (get-method after-job key))
      (require ns-name))))

(defn- step [key moment multi]
  (or (get-in @registered [key moment])
      (when-let [method (get-method multi key)]
        (when-not (= method (get-method multi :default))
          #(method key %)))))

(defn- report [key moment e]
  (binding [*out* *err*]
    (println (str "The extension " key " failed " (name moment) " the job: "
                  (or (ex-message e) (class e))))))

(defn- apply-steps [ctx moment multi]
  (reduce (fn [ctx key]
            (try
              (load-on-demand key)
              (if-let [f (step key moment multi)]
                (let [changed (f ctx)]
                  (if (map? changed) changed ctx))
                ctx)
              (catch Exception e
                (report key moment e)
                ctx)))
          ctx
          (keys (:job ctx))))

(defn apply-extensions-before
  "The context after every *before* of the job's keys."
  [ctx]
  (apply-steps ctx :before before-job))

(defn apply-extensions-after
  "The context after every *after* of the job's keys."
  [ctx]
  (apply-steps ctx :after after-job))

(defn applies?
  "Whether any extension has to do with this job."
  [job]
  (boolean (some #(or (contains? on-demand %)
                      (step % :before before-job)
                      (step % :after after-job))
                 (keys job))))
