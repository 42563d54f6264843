(ns monkey.ci.script.api-client
  "What a script asks of its runner. Everything here goes through the `:client` function of the
  context's `:api`, which takes a request of `monkey.ci.script.http` and gives its answer: a test
  may put any function there."
  (:require [clojure.string :as str]
            [monkey.ci.jobs :as jobs]
            [monkey.ci.script.edn :as edn]
            [monkey.ci.script.http :as http])
  (:import (java.io ByteArrayInputStream File)
           (java.nio.file Files)))

(defn send-request
  "Sends a request for the context's job and gives the answer, whatever its status."
  [ctx req]
  (let [client (or (get-in ctx [:api :client])
                   (throw (ex-info "There is no runner to ask: the context has no :api"
                                   {:type ::no-api})))
        job-id (jobs/id->str (or (::job-id ctx) (get-in ctx [:job :id])))]
    (client (cond-> req
              job-id (assoc-in [:headers "MonkeyCI-Job"] (http/encode job-id))))))

(defn- body->text [{:keys [body]}]
  (cond
    (nil? body) ""
    (string? body) body
    :else (String. ^bytes body "UTF-8")))

(defn- described [body]
  (let [text (body->text body)
        said (try (edn/read-lenient text) (catch Exception _ nil))]
    (or (when (map? said) (:message said))
        (let [text (str/trim text)]
          (subs text 0 (min 200 (count text)))))))

(defn refused
  "The exception for an answer that is no success. It names neither headers nor token."
  [what {:keys [status] :as answer}]
  (let [reason (described answer)]
    (ex-info (str what ": the runner answered " status (when-not (str/blank? reason) (str ", " reason)))
             {:type ::refused :status status})))

(defn- content-type [answer]
  (some-> (get-in answer [:headers "content-type"]) (str/split #";") first str/trim str/lower-case))

(defn- checked
  "The answer when it is a success, nil when its status is one of `absent`, else an exception."
  [what absent {:keys [status] :as answer}]
  (cond
    (contains? absent status) nil
    (http/ok? answer) answer
    :else (throw (refused what answer))))

(defn- edn-of [answer]
  (some-> answer body->text edn/read-lenient))

(defn ask
  "Sends a request and reads the EDN of the answer; nil when there is none (204). `what` begins the
  message of the exception when it is refused."
  [ctx what req]
  (edn-of (checked what #{204} (send-request ctx req))))

(defn- once
  "What `f` gives, asked for once per process."
  [ctx key f]
  (if-let [memo (get-in ctx [:api :memo])]
    (let [asked (delay (f))
          asked (get (swap! memo #(if (contains? % key) % (assoc % key asked))) key)]
      (try
        @asked
        (catch Throwable e
          ;; The next one may have more luck.
          (swap! memo #(if (identical? asked (get % key)) (dissoc % key) %))
          (throw e))))
    (f)))

;;; Parameters and secrets

(defn build-params
  "The parameters of the build: names to values. Asked for once per process."
  [ctx]
  (once ctx :params
        #(into {}
               (map (juxt :name :value))
               (ask ctx "Cannot get the build parameters" {:path ["params"]}))))

(defn secret
  "The value of a secret, or nil when it is unknown. The runner notes who asked."
  [ctx name]
  (:value (edn-of (checked (str "Cannot get the secret " name)
                           #{204 404}
                           (send-request ctx {:path ["secret" name]})))))

(defn decrypt-key
  "The decrypted form of an encrypted key."
  [ctx encrypted]
  (let [answer (checked "Cannot decrypt the key" #{}
                        (send-request ctx {:method :post :path ["decrypt-key"] :body (edn/write-strict encrypted)}))
        text   (body->text answer)]
    (if (str/starts-with? text "\"") (edn/read-lenient text) text)))

;;; What the runner knows

(defn build-info
  "The build as the runner knows it."
  [ctx]
  (ask ctx "Cannot get the build" {:path ["build"]}))

(defn repo-info
  "The repository as the runner knows it."
  [ctx]
  (ask ctx "Cannot get the repository" {:path ["repo"]}))

(defn org-info
  "The organization as the runner knows it."
  [ctx]
  (ask ctx "Cannot get the organization" {:path ["org"]}))

;;; Artifacts and caches. The runner moves the files: we tell it which.

(defn- transfer-path [kind job-id {:keys [id]}]
  [kind (jobs/id->str job-id) (jobs/id->str id)])

(defn- job-id-of [ctx]
  (or (::job-id ctx) (get-in ctx [:job :id])))

(defn- save [ctx kind {:keys [path] :as item}]
  (:path (ask ctx (str "Cannot save the " kind " " (jobs/id->str (:id item)))
              {:method :put
               :path   (transfer-path kind (job-id-of ctx) item)
               :body   (edn/write-strict {:path (str path)})})))

(defn- restore [ctx kind {:keys [path] :as item}]
  (:path (edn-of (checked (str "Cannot restore the " kind " " (jobs/id->str (:id item)))
                          #{204 404}
                          (send-request ctx {:path  (transfer-path kind (job-id-of ctx) item)
                                             :query {:path (str path)}})))))

(defn save-artifact
  "Saves what the artifact's `:path` names; gives the path, or nil when there was nothing."
  [ctx artifact]
  (save ctx "artifact" artifact))

(defn restore-artifact
  "Restores an artifact to its `:path`; gives the path, or nil when there is no such artifact."
  [ctx artifact]
  (restore ctx "artifact" artifact))

(defn save-cache
  "Saves what the cache's `:path` names; gives the path, or nil when there was nothing."
  [ctx cache]
  (save ctx "cache" cache))

(defn restore-cache
  "Restores a cache to its `:path`; gives the path, or nil when there is no such cache."
  [ctx cache]
  (restore ctx "cache" cache))

(defn download-artifact
  "The artifact with this id as a stream of a `.tgz` archive; nil when there is none."
  [ctx id]
  (some-> (checked (str "Cannot download the artifact " (jobs/id->str id))
                   #{204 404}
                   (send-request ctx {:path    ["artifact" (jobs/id->str id)]
                                      :headers {"accept" "application/octet-stream"}}))
          :body
          (as-> bs (if (string? bs) (.getBytes ^String bs "UTF-8") bs))
          (as-> bs (ByteArrayInputStream. ^bytes bs))))

;;; Results

(defn- result-body [value]
  (cond
    (bytes? value) {:type "application/octet-stream" :body value}
    (instance? File value) {:type "application/octet-stream"
                            :body (Files/readAllBytes (.toPath ^File value))}
    :else {:type "application/edn" :body (edn/write-strict value)}))

(defn save-result
  "Stores a value, a file (`java.io.File`) or bytes under a name, for other jobs and later builds.
  Gives `{:name :media-type :size}`."
  ([ctx name value]
   (save-result ctx name value nil))
  ([ctx name value {:keys [media-type]}]
   (let [{:keys [type body]} (result-body value)]
     (ask ctx (str "Cannot save the result " name)
          {:method  :put
           :path    ["result" name]
           :headers {"content-type" (or media-type type)}
           :body    body}))))

(defn result
  "A stored result: the value, or the content of a file as bytes (as text when it is one); nil when
  there is none. `:of` is the build it is from: `:this` (the default), `:previous` or `:last-success`."
  ([ctx name]
   (result ctx name nil))
  ([ctx name {:keys [of]}]
   (when-let [answer (checked (str "Cannot get the result " name)
                              #{204}
                              (send-request ctx {:path    ["result" name]
                                                 :query   {:of of}
                                                 :headers {"accept" "application/edn, */*;q=0.5"}}))]
     (let [type (content-type answer)]
       (cond
         (contains? #{nil "application/edn"} type) (edn-of answer)
         (str/starts-with? type "text/") (body->text answer)
         :else (:body answer))))))

(defn results
  "What results there are: `{:name :media-type :size :job-id}` each. `:of` as in `result`."
  ([ctx]
   (results ctx nil))
  ([ctx {:keys [of]}]
   (ask ctx "Cannot list the results" {:path ["result"] :query {:of of}})))
