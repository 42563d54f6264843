(ns monkey.ci.build.client
  "Requests to the script API from inside a script, with nothing but its context."
  (:require [clojure.string :as str]
            [monkey.ci.script.edn :as edn]
            [monkey.ci.script.http :as http]))

(defn client-of
  "The client in a context: a client of `monkey.ci.script.http`, or a function from a request to an
  answer, which is what tests put there."
  [ctx]
  (or (get-in ctx [:api :client])
      (throw (ex-info "The context has no client of the script API: is it the one the job was given?"
                      {:type ::no-client}))))

(defn- with-job
  "Names the job on whose behalf we ask."
  [req ctx]
  (let [id (get-in ctx [:job :id])]
    (cond-> req
      id (update :headers #(merge {"MonkeyCI-Job" (http/encode id)} %)))))

(defn request
  "Sends a request (see `monkey.ci.script.http/request`) and gives the answer as it came."
  [ctx req]
  (let [client (client-of ctx)
        req    (with-job req ctx)]
    (if (fn? client)
      (client req)
      (http/request client req))))

(defn- media-type [{:keys [headers]}]
  (-> (or (get headers "content-type") "")
      (str/split #";" 2)
      first
      str/trim
      str/lower-case))

(defn- text-of [body]
  (if (bytes? body) (String. ^bytes body "UTF-8") body))

(defn read-body
  "The body of an answer: EDN as the value it is, texts and JSON as text, anything else as bytes,
  nothing as nil."
  [{:keys [status body] :as answer}]
  (let [type (media-type answer)]
    (cond
      (or (nil? body) (= 204 status)) nil
      (not (or (bytes? body) (string? body))) body
      (zero? (count body)) nil
      (= "application/edn" type) (edn/read-lenient (text-of body))
      (or (str/starts-with? type "text/") (str/includes? type "json")) (text-of body)
      :else body)))

(defn complaint
  "What an answer says went wrong."
  [{:keys [status] :as answer}]
  (let [body (try
               (read-body answer)
               (catch Exception _ nil))]
    (or (when (map? body) (or (:message body) (get body "message")))
        (when (and (string? body) (not (str/blank? body))) (str/trim body))
        (str "the answer has status " status))))
