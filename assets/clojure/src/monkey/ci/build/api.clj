(ns monkey.ci.build.api
  "All services of the script API, as the runner's own OpenAPI document describes them.

      (explore ctx)                                 ; what there is
      (explore ctx :get-result)                     ; one service: arguments, answers, scopes
      (call ctx :get-result {:name \"coverage\"})     ; the value, or an exception that says why not
      (response-for ctx :get-result {:name \"x\"})    ; {:status :headers :body}, whatever the status
      (request-for ctx :get-result {:name \"x\"})     ; what would be sent

  The document is fetched when it is first needed and kept for the process (see `refresh!`), so a
  service that is new on the server can be called as it is. Arguments are checked before anything
  is sent, and what is wrong with them is said in the document's words. A request body is given as
  `:body`: a value, or bytes, a file or a text with its `:content-type`."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [monkey.ci.build.client :as client]
            [monkey.ci.build.schema :as schema]
            [monkey.ci.script.api-client :as api-client]
            [monkey.ci.script.edn :as edn]
            [monkey.ci.script.http :as http])
  (:import (java.io ByteArrayOutputStream File InputStream)))

;;; The context to use when none is given

(defonce ^:private default-context (atom nil))

(defn use-context!
  "The context that `(explore)` uses."
  [ctx]
  (reset! default-context ctx)
  nil)

(defn- env-context
  "A context for the service that the environment names, as it does in jobs with `:api`."
  []
  (let [socket (System/getenv "MONKEYCI_API_SOCKET")
        url    (System/getenv "MONKEYCI_API_URL")
        token  (System/getenv "MONKEYCI_API_TOKEN_FILE")]
    (when (or socket url)
      {:api {:client (http/client {:socket socket
                                   :url    url
                                   :token  (when token (str/trim (slurp token)))})}})))

(defn- context []
  (or @default-context
      (swap! default-context #(or % (env-context)))
      (throw (ex-info "There is no context: give the one that the job got" {:type ::no-context}))))

;;; The document

(defonce ^:private documents (atom {}))

(defn- document-key
  "What tells one server from another."
  [ctx]
  (let [client (client/client-of ctx)]
    (if (map? client) (select-keys client [:socket :url]) client)))

(defn- fetch-document [ctx]
  (let [{:keys [status] :as answer} (client/request ctx {:method  :get
                                                         :path    ["openapi.json"]
                                                         :headers {"accept" "application/edn"}})
        document (when (= 200 status) (client/read-body answer))]
    (cond
      (not= 200 status)
      (throw (ex-info (str "The runner does not describe its services: " (client/complaint answer))
                      {:type ::no-document :status status}))

      (not (map? (get document "paths")))
      (throw (ex-info "The runner's description of its services is no OpenAPI document"
                      {:type ::no-document :status status}))

      :else document)))

(declare argument-key)

(defn- content-of
  "The schema and media types of a body."
  [document x]
  (let [content (get (schema/resolve-ref document x) "content")]
    {:types  (vec (keys content))
     :schema (or (get-in content ["application/edn" "schema"])
                 (some #(get % "schema") (vals content)))}))

(defn- parameter-of [document parameter]
  (let [{:strs [name in required description schema]} (schema/resolve-ref document parameter)]
    {:name        name
     :in          (keyword in)
     :key         (argument-key name in)
     :required    (or (= "path" in) (true? required))
     :description description
     :schema      schema}))

(defn- body-of [document body]
  (when body
    (let [{:strs [required description] :as body} (schema/resolve-ref document body)]
      (merge (content-of document body)
             {:key :body :in :body :name "body" :required (true? required)
              :description description}))))

(defn- scopes-of [document operation]
  (->> (if (contains? operation "security") (get operation "security") (get document "security"))
       (mapcat vals)
       (apply concat)
       distinct
       vec))

(defn- operation-of [document path method shared operation]
  (let [{:strs [operationId summary description parameters requestBody responses]} operation
        parameters (map #(parameter-of document %) (concat shared parameters))
        body       (body-of document requestBody)]
    {:id          (keyword (or operationId (str method " " path)))
     :method      (keyword method)
     :path        path
     :summary     summary
     :description description
     ;; One of the operation replaces a shared one of the same name.
     :arguments   (vec (concat (vals (reduce #(assoc %1 [(:in %2) (:name %2)] %2) {} parameters))
                               (when body [body])))
     :responses   responses
     :scopes      (scopes-of document operation)}))

(def ^:private methods-of-http ["get" "put" "post" "patch" "delete" "head" "options" "trace"])

(defn- index
  "Operations by id, in the order of their ids."
  [document]
  (into (sorted-map)
        (for [[path item] (get document "paths")
              :let [item (schema/resolve-ref document item)]
              method methods-of-http
              :let [operation (get item method)]
              :when operation
              :let [operation (operation-of document path method (get item "parameters") operation)]]
          [(:id operation) operation])))

(defn- described
  "The document and its operations, fetched once for all threads."
  [ctx]
  (let [k     (document-key ctx)
        fresh (delay (let [document (fetch-document ctx)]
                       {:document document :operations (index document)}))
        kept  (get (swap! documents #(if (contains? % k) % (assoc % k fresh))) k)]
    (try
      @kept
      (catch Exception e
        ;; The next one may have more luck.
        (swap! documents #(if (identical? kept (get % k)) (dissoc % k) %))
        (throw e)))))

(defn refresh!
  "Forgets the document: the next call fetches it anew."
  ([] (refresh! (context)))
  ([ctx]
   (swap! documents dissoc (document-key ctx))
   nil))

(defn document
  "The whole OpenAPI document, with text keys."
  ([] (document (context)))
  ([ctx] (:document (described ctx))))

;;; Names

(defn- argument-key
  "The keyword for a parameter: `jobId` is `:job-id`. Headers are only put in lower case."
  [name in]
  (keyword (if (= "header" in)
             (str/lower-case name)
             (-> name
                 (str/replace #"([a-z0-9])([A-Z])" "$1-$2")
                 (str/replace "_" "-")
                 str/lower-case))))

(defn- distance
  "How many letters are to be added, taken, changed or swapped to get from one word to the other."
  [a b]
  (let [a (vec a), b (vec b)]
    (loop [i 0, before nil, above (vec (range (inc (count b))))]
      (if (= i (count a))
        (peek above)
        (recur (inc i)
               above
               (reduce (fn [row j]
                         (let [same? (= (a i) (b j))
                               best  (min (inc (long (peek row)))
                                          (inc (long (above (inc (long j)))))
                                          (+ (long (above j)) (if same? 0 1)))
                               swap? (and before (pos? (long j))
                                          (= (a i) (b (dec (long j)))) (= (a (dec i)) (b j)))]
                           (conj row (if swap? (min best (inc (long (before (dec (long j)))))) best))))
                       [(inc i)]
                       (range (count b))))))))

(defn- near
  "Those of the names that may have been meant, the nearest first."
  [wanted names]
  (let [wanted (name wanted)
        far    (max 2 (quot (count wanted) 3))]
    (->> names
         (map (fn [n] [(distance wanted (name n)) n]))
         (filter (fn [[d n]] (or (<= (long d) far)
                                 (and (> (count wanted) 3) (str/includes? (name n) wanted)))))
         sort
         (map second)
         (take 3))))

(defn- did-you-mean [names]
  (when (seq names)
    (str "; did you mean " (str/join " or " names) "?")))

(defn- operation-named [ctx op]
  (let [{:keys [operations]} (described ctx)
        id (keyword op)]
    (or (get operations id)
        (let [close (near id (keys operations))]
          (throw (ex-info (str "there is no operation " id
                               (or (did-you-mean close) "; (explore ctx) lists all"))
                          {:type ::unknown-operation :operation id :near (vec close)}))))))

;;; Looking around

(defn- argument-words [document {:keys [schema required description]}]
  (cond-> (str (schema/describe document schema) (if required ", required" ""))
    (not (str/blank? description)) (str ": " description)))

(defn- overview [document {:keys [id summary arguments scopes]}]
  [id summary {:arguments (into {} (map (juxt :key #(argument-words document %))) arguments)
               :scopes    scopes}])

(defn- returns [document responses]
  (into (sorted-map-by #(compare (str %1) (str %2)))
        (for [[status response] responses
              :let [response (schema/resolve-ref document response)
                    {:keys [types schema]} (content-of document response)]]
          [(if (re-matches #"[0-9]+" (str status)) (parse-long (str status)) status)
           (cond-> {:description (get response "description")}
             (seq types) (assoc :types types)
             schema (assoc :schema (schema/resolve-ref document schema)))])))

(defn- details [document {:keys [summary description method path arguments responses scopes]}]
  (cond-> {:summary    summary
           :method     method
           :path       path
           :parameters (into {}
                             (for [{:keys [key in required description schema types]} arguments]
                               [key (cond-> {:in          in
                                             :required    required
                                             :description description
                                             :schema      (schema/resolve-ref document schema)}
                                      types (assoc :types types))]))
           :returns    (returns document responses)
           :scopes     scopes}
    (not (str/blank? description)) (assoc :description description)))

(defn explore
  "Without an operation: all services, as `[:operation-id \"summary\" {:arguments … :scopes …}]` in the
  order of their ids. With one: `{:summary :method :path :parameters :returns :scopes}` of it."
  ([] (explore (context)))
  ([ctx]
   (let [{:keys [document operations]} (described ctx)]
     (map #(overview document %) (vals operations))))
  ([ctx op]
   (details (document ctx) (operation-named ctx op))))

;;; Requests

(defn- wrong [op argument message data]
  (throw (ex-info message (merge {:type ::bad-argument :operation op :argument argument} data))))

(defn- place-words [at]
  (when (seq at) (str " at " (str/join "." at))))

(defn- description-words [{:keys [description]}]
  (when-not (str/blank? description)
    (str " (" (str/replace (str/trim description) #"\.$" "") ")")))

(defn- shown [x]
  (let [text (pr-str x)]
    (if (> (count text) 80) (str (subs text 0 80) "…") text)))

(defn- check-argument [document op {:keys [key] :as argument} value]
  (when-let [{:keys [at expected value missing? unknown?]}
             (schema/problem document (:schema argument) value)]
    (wrong op key
           (str op ": the argument " key (description-words argument)
                (cond
                  missing? (str " lacks " (str/join "." at) ", " expected)
                  unknown? (str " has no " (str/join "." at))
                  :else (str (place-words at) " has to be " expected ", not " (shown value))))
           {:at at :schema (schema/resolve-ref document (:schema argument))
            :description (:description argument)})))

(defn- check-names [op arguments given]
  (let [known (set (map :key arguments))]
    (doseq [k (keys given) :when (not (contains? known k))]
      (let [close (near k known)]
        (wrong op k
               (str op " has no argument " k
                    (or (did-you-mean close)
                        (if (seq known)
                          (str "; it has " (str/join ", " (sort known)))
                          "; it has none")))
               {:near (vec close)})))))

(defn- check-missing [document op arguments given]
  (doseq [{:keys [key required] :as argument} arguments
          :when (and required (nil? (get given key)))]
    (wrong op key
           (str op " needs the argument " key (description-words argument) ": "
                (schema/describe document (:schema argument)))
           {:missing? true :schema (schema/resolve-ref document (:schema argument))
            :description (:description argument)})))

(defn- raw? [x]
  (or (bytes? x) (instance? File x) (instance? InputStream x)))

(defn- raw-bytes ^bytes [x]
  (if (bytes? x)
    x
    (let [out (ByteArrayOutputStream.)]
      (with-open [in (io/input-stream x)]
        (io/copy in out))
      (.toByteArray out))))

(defn- edn-type? [type]
  (str/starts-with? (str/lower-case type) "application/edn"))

(defn- body-type
  "The media type to send a body with."
  [op {:keys [types]} value content-type]
  (let [edn? (or (empty? types) (some #{"*/*" "application/*"} types) (some edn-type? types))]
    (cond
      content-type content-type
      (raw? value) (or (first (remove #(or (str/includes? % "*") (edn-type? %)
                                           (str/includes? % "json"))
                                      types))
                       "application/octet-stream")
      edn? "application/edn"
      :else (wrong op :body (str op ": the argument :body has to be bytes, a file or a text, with its "
                                 ":content-type: one of " (str/join ", " types))
                   {}))))

(defn- body-bytes [op value type]
  (cond
    (raw? value) (raw-bytes value)
    (edn-type? type) (edn/write-strict value)
    (string? value) value
    :else (wrong op :body (str op ": the argument :body has to be bytes, a file or a text to be sent as "
                               type ", not " (shown value))
                 {})))

(defn- parameter-text [x]
  (or (schema/text-of x) (str x)))

(defn- pairs-in [place arguments given]
  (into {}
        (for [{:keys [in key name]} arguments
              :when (and (= place in) (some? (get given key)))]
          [name (get given key)])))

(defn- path-segments [path values]
  (mapv (fn [segment]
          (str/replace segment #"\{([^}]+)\}" (fn [[_ name]] (parameter-text (get values name)))))
        (rest (str/split path #"/" -1))))

(defn- named-arguments
  "What was given under the keys of the arguments: a parameter's own name will do too."
  [arguments params]
  (let [aliases (into {} (mapcat (fn [{:keys [key name]}] [[name key] [(keyword name) key]])) arguments)]
    (into {} (map (fn [[k v]] [(get aliases k (if (string? k) (keyword k) k)) v])) params)))

(defn- with-body [req op body given content-type]
  (let [value (get given :body)]
    (if (and body (some? value))
      (let [type (body-type op body value content-type)]
        (-> req
            (assoc :body (body-bytes op value type))
            (assoc-in [:headers "content-type"] type)))
      req)))

(defn- check-map
  "The arguments, if they are a map: that is how the document names them."
  [op arguments params]
  (if (or (nil? params) (map? params))
    params
    (wrong op nil
           (str op " takes a map of arguments"
                (when (seq arguments) (str ", of " (str/join ", " (map :key arguments))))
                "; given was " (shown params))
           {})))

(defn request-for
  "The request that calls an operation with these arguments: `{:method :path :query :headers :body}`.
  Sends nothing. Throws when there is no such operation or an argument is wrong."
  ([ctx op] (request-for ctx op {}))
  ([ctx op params]
   (let [{:keys [id method path arguments]} (operation-named ctx op)
         document (document ctx)
         params   (check-map id arguments params)
         body     (first (filter #(= :body (:in %)) arguments))
         given    (named-arguments arguments params)
         content  (when (and body (not-any? #(= :content-type (:key %)) arguments))
                    (:content-type given))
         given    (cond-> given content (dissoc :content-type))]
     (check-names id arguments given)
     (check-missing document id arguments given)
     (doseq [{:keys [key] :as argument} arguments
             :let [value (get given key)]
             :when (and (some? value)
                        (not (and (= :body key) (or (raw? value) (and content (not (edn-type? content)))))))]
       (check-argument document id argument value))
     (let [query   (pairs-in :query arguments given)
           headers (update-vals (pairs-in :header arguments given) parameter-text)]
       (-> (cond-> {:method  method
                    :path    (path-segments path (pairs-in :path arguments given))
                    :headers (cond->> headers
                               (not-any? #(= "accept" (str/lower-case %)) (keys headers))
                               (merge {"accept" "application/edn, */*;q=0.5"}))}
             (seq query) (assoc :query (update-vals query parameter-text)))
           (with-body id body given content))))))

;;; Answers

(defn response-for
  "Calls an operation: `{:status :headers :body}`, whatever the status. The body is the value when it
  is EDN, text when it is text, else bytes."
  ([ctx op] (response-for ctx op {}))
  ([ctx op params]
   (let [answer (client/request ctx (request-for ctx op params))]
     {:status  (:status answer)
      :headers (:headers answer)
      :body    (client/read-body answer)})))

(defn- refusal [ctx {:keys [id summary responses scopes]} {:keys [status] :as answer}]
  (let [response (or (get responses (str status)) (get responses status) (get responses "default"))
        meaning  (get (schema/resolve-ref (document ctx) response) "description")
        said     (client/complaint answer)
        scoped?  (and (contains? #{401 403} status) (seq scopes))]
    (ex-info (str id (when-not (str/blank? summary) (str " (" (str/replace summary #"\.$" "") ")"))
                  " was answered " status
                  (when-not (str/blank? meaning) (str ", " (str/replace meaning #"\.$" "")))
                  ": " said
                  (when scoped? (str "; it needs the scope " (str/join ", " scopes))))
             {:type ::refused :operation id :status status :scopes scopes :message said
              :body (:body answer)})))

(defn call
  "Calls an operation and gives the body of the answer; nil when it has none. An answer that is no
  success is an exception with the document's and the runner's words."
  ([ctx op] (call ctx op {}))
  ([ctx op params]
   (let [{:keys [status body] :as answer} (response-for ctx op params)]
     (if (<= 200 (long status) 299)
       body
       (throw (refusal ctx (operation-named ctx op) answer))))))

;;; What older scripts expect here

(defn build-params
  "The parameters of the build: names to values. Asked for once per process."
  [ctx]
  (api-client/build-params ctx))

(defn download-artifact
  "The artifact with this id as a stream of a `.tgz` archive (see `monkey.ci.build.archive`); nil
  when there is none."
  [ctx id]
  (api-client/download-artifact ctx id))
