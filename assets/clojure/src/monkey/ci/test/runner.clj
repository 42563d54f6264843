(ns monkey.ci.test.runner
  "What answers in place of a runner in unit tests of scripts: see `monkey.ci.test`.

  Functions from a request of `monkey.ci.script.http` to an answer; nil stands for a request that
  is for somebody else."
  (:require [clojure.string :as str]
            [monkey.ci.jobs :as jobs]
            [monkey.ci.script.api-client :as api-client]))

(defn- answer [status value]
  {:status status :headers {"content-type" "application/edn"} :body (.getBytes (pr-str value) "UTF-8")})

(defn- segments [{:keys [path]}]
  (if (string? path)
    (remove str/blank? (str/split path #"/"))
    (map jobs/id->str path)))

(defn nothing
  "Answers as a runner that has nothing: no parameters, artifacts, caches, secrets or results."
  [{:keys [method] :as req}]
  (let [service (first (segments req))]
    (cond
      (= "params" service) (answer 200 [])
      (and (contains? #{"artifact" "cache" "result"} service)
           (contains? #{nil :get} method)) (answer 204 nil)
      (= "secret" service) (answer 404 {:message "there is no secret of that name"})
      :else (answer 404 {:message "there is no runner in a test"}))))

(defn secrets
  "Answers for these secrets, a map of names to values, and for no other."
  [values]
  (let [values (update-keys values jobs/id->str)]
    (fn [req]
      (let [[service name] (segments req)]
        (when (= "secret" service)
          (if-let [[name value] (find values name)]
            (answer 200 {:name name :value value})
            (answer 404 {:message "there is no secret of that name"})))))))

;;; Results

(defn- content-type [{:keys [headers]}]
  (some (fn [[k v]] (when (= "content-type" (str/lower-case (name k))) v)) headers))

(defn- length [body]
  (count (if (string? body) (.getBytes ^String body "UTF-8") body)))

(defn- described [[name {:keys [type body job-id]}]]
  (cond-> {:name name :media-type type :size (length body)}
    job-id (assoc :job-id job-id)))

(defn- keeper
  "Answers for the results of one build, which are kept in an atom."
  [kept of]
  (fn [{:keys [method query body headers] :as req}]
    (let [[service name] (segments req)
          asked          (jobs/id->str (or (:of query) :this))]
      (when (and (= "result" service) (= (jobs/id->str of) asked))
        (if (= :put method)
          (let [result {:type   (content-type req)
                        :body   body
                        :job-id (get headers "MonkeyCI-Job")}]
            (swap! kept assoc name result)
            (answer 200 (dissoc (described [name result]) :job-id)))
          (if name
            (if-let [{:keys [type body]} (get @kept name)]
              {:status 200 :headers {"content-type" type} :body body}
              (answer 204 nil))
            (answer 200 (mapv described (sort-by key @kept)))))))))

(defn results
  "Answers for the results of one build, `:this`, `:previous` or `:last-success`, which are these at
  first, a map of names to values. Those of this build can be saved."
  [of values]
  (let [kept (atom {})
        save (keeper kept :this)]
    (doseq [[name value] values]
      (api-client/save-result {:api {:client save}} name value))
    (keeper kept of)))

;;; In front of the context's own

(defn in-front
  "A function like `monkey.ci.script.api-client/send-request`, in front of `send`: what `answers`
  answers does not get there, whatever the context."
  [send answers]
  (fn [ctx req]
    (or (answers (if-let [id (get-in ctx [:job :id])]
                   (assoc-in req [:headers "MonkeyCI-Job"] (jobs/id->str id))
                   req))
        (send ctx req))))
