(ns monkey.ci.build.api-test
  (:require [clojure.string :as str]
            [clojure.test :refer [are deftest is testing]]
            [monkey.ci.build.api :as sut]
            [monkey.ci.build.schema :as schema]
            [monkey.ci.script.http :as http])
  (:import (java.io InputStream OutputStream)
           (java.net InetAddress ServerSocket Socket)))

(def document
  {"openapi" "3.1.0"
   "info" {"title" "Script API" "version" "1"}
   "security" [{"token" []}]
   "paths"
   {"/build"
    {"get" {"operationId" "get-build" "summary" "The build"
            "security" [{"token" ["build:read"]}]
            "responses" {"200" {"description" "The build" "content" {"application/edn" {"schema" {"$ref" "#/components/schemas/Build"}}}}
                         "401" {"$ref" "#/components/responses/Refused"}}}}
    "/result/{name}"
    {"parameters" [{"name" "name" "in" "path" "required" true "description" "Which result." "schema" {"type" "string" "minLength" 1 "maxLength" 20}}
                   {"$ref" "#/components/parameters/Job"}]
     "get" {"operationId" "get-result" "summary" "Reads a result"
            "description" "Values come as they were stored."
            "security" [{"token" ["results:read"]}]
            "parameters" [{"name" "of" "in" "query" "description" "Of which build." "schema" {"type" "string" "enum" ["this" "previous" "last-success"]}}
                          {"name" "maxSize" "in" "query" "schema" {"type" "integer" "minimum" 1 "maximum" 100}}
                          {"name" "deep" "in" "query" "schema" {"type" ["boolean" "null"]}}]
            "responses" {"200" {"description" "The value"}
                         "204" {"description" "There is none."}
                         "404" {"description" "No such build."}}}
     "put" {"operationId" "put-result" "summary" "Stores a result"
            "security" [{"token" ["results:write"]}]
            "requestBody" {"required" true "description" "What to store."
                           "content" {"application/edn" {"schema" {}} "*/*" {"schema" {"type" "string" "format" "binary"}}}}
            "responses" {"200" {"description" "Stored"}}}}
    "/events"
    {"post" {"operationId" "post-events" "summary" "Posts events"
             "requestBody" {"required" true "content" {"application/edn" {"schema" {"$ref" "#/components/schemas/Events"}}}}
             "responses" {"202" {"description" "Taken"}}}}
    "/upload/{id}.tgz"
    {"put" {"operationId" "upload" "summary" "Uploads"
            "parameters" [{"name" "id" "in" "path" "required" true "schema" {"type" "string"}}
                          {"name" "Accept" "in" "header" "schema" {"type" "string"}}]
            "requestBody" {"content" {"application/gzip" {} "application/json" {}}}
            "responses" {"200" {"description" "Taken"}}}}}
   "components"
   {"parameters" {"Job" {"name" "MonkeyCI-Job" "in" "header" "description" "For whom." "schema" {"type" "string"}}}
    "responses" {"Refused" {"description" "The token is not good."}}
    "schemas" {"Build" {"type" "object" "properties" {"build-id" {"type" "string"}}}
               "Events" {"type" "array" "minItems" 1 "items" {"$ref" "#/components/schemas/Event"}}
               "Event" {"type" "object" "required" ["type"] "additionalProperties" false
                        "properties" {"type" {"type" "string"} "time" {"type" "integer"}
                                      "inner" {"$ref" "#/components/schemas/Event"}}}}}})

(defn- edn [status value]
  {:status status :headers {"content-type" "application/edn; charset=utf-8"} :body (.getBytes (pr-str value) "UTF-8")})

(defn- runner
  "A context whose runner has this document and answers all else with `answer`."
  ([answer] (runner answer (atom [])))
  ([answer asked] (runner answer asked (atom document)))
  ([answer asked document]
   {:job {:id "a job"}
    :api {:client (fn [{:keys [path headers] :as req}]
                    (swap! asked conj req)
                    (if (= ["openapi.json"] path)
                      (do (assert (= "application/edn" (get headers "accept")))
                          (edn 200 @document))
                      (answer req)))}}))

(def ctx (runner (constantly (edn 200 {:a 1}))))

(deftest all-services-are-listed
  (is (= [[:get-build "The build"] [:get-result "Reads a result"] [:post-events "Posts events"]
          [:put-result "Stores a result"] [:upload "Uploads"]]
         (map #(subvec % 0 2) (sut/explore ctx))))
  (let [[_ _ {:keys [arguments scopes]}] (second (sut/explore ctx))]
    (is (= ["results:read"] scopes))
    (is (= {:name "a string, at least 1 characters, at most 20 characters, required: Which result."
            :of "a string, one of \"this\", \"previous\", \"last-success\": Of which build."
            :max-size "an integer, at least 1, at most 100"
            :deep "true or false or nil"
            :monkeyci-job "a string: For whom."}
           arguments))))

(deftest one-service-is-described
  (let [{:keys [summary description parameters returns scopes]} (sut/explore ctx :get-result)]
    (is (= "Reads a result" summary))
    (is (= "Values come as they were stored." description))
    (is (= ["results:read"] scopes))
    (is (= {:in :path :required true :description "Which result." :schema {"type" "string" "minLength" 1 "maxLength" 20}}
           (:name parameters)))
    (is (false? (:required (:of parameters))))
    (is (= [200 204 404] (keys returns)))
    (is (= "There is none." (:description (returns 204)))))
  (testing "references are followed"
    (let [{:keys [returns]} (sut/explore ctx "get-build")]
      (is (= "object" (get-in returns [200 :schema "type"])))
      (is (= "The token is not good." (get-in returns [401 :description])))))
  (is (= "array" (get-in (sut/explore ctx :post-events) [:parameters :body :schema "type"]))))

(deftest requests-follow-the-document
  (is (= {:method :get :path ["result" "a/b c"] :query {"of" "previous" "maxSize" "5" "deep" "true"}
          :headers {"accept" "application/edn, */*;q=0.5" "MonkeyCI-Job" "x"}}
         (sut/request-for ctx :get-result {:name "a/b c" :of :previous :max-size 5 :deep true :monkeyci-job "x"})))
  (testing "the document's own names will do"
    (is (= {"maxSize" "5"} (:query (sut/request-for ctx :get-result {"name" "x" :maxSize 5})))))
  (is (= [["build"] nil] ((juxt :path :body) (sut/request-for ctx :get-build))))
  (is (= ["upload" "x.tgz"] (:path (sut/request-for ctx :upload {:id :x}))))
  (testing "another type may be asked for, where the document has it"
    (is (= {"Accept" "text/plain"} (:headers (sut/request-for ctx :upload {:id :x :accept "text/plain"}))))))

(deftest bodies-are-sent-as-the-document-wants-them
  (let [sent (fn [op params] ((juxt #(get-in % [:headers "content-type"])
                                    #(let [b (:body %)] (if (bytes? b) (String. ^bytes b) b)))
                              (sut/request-for ctx op params)))]
    (is (= ["application/edn" "{:a #{1}}"] (sent :put-result {:name "x" :body {:a #{1}}})))
    (is (= ["application/edn" "false"] (sent :put-result {:name "x" :body false})))
    (is (= ["application/octet-stream" "raw"] (sent :put-result {:name "x" :body (.getBytes "raw")})))
    (is (= ["text/plain" "words"] (sent :put-result {:name "x" :body "words" :content-type "text/plain"})))
    (is (= ["application/gzip" "raw"] (sent :upload {:id "x" :body (.getBytes "raw")})))
    (is (= [nil nil] (sent :upload {:id "x"})))
    (is (thrown-with-msg? clojure.lang.ExceptionInfo #"has to be bytes, a file or a text"
                          (sent :upload {:id "x" :body {:a 1}})))))

(defn- complaint [op params]
  (let [asked (atom [])]
    (try
      (pr-str (sut/call (runner (constantly (edn 200 {})) asked) op params))
      (catch clojure.lang.ExceptionInfo e
        (assert (= 1 (count @asked)) "nothing is sent but the question for the document")
        (ex-message e)))))

(deftest wrong-calls-fail-with-the-words-of-the-document
  (are [op params message] (= message (complaint op params))
    :get-biuld {} "there is no operation :get-biuld; did you mean :get-build?"
    :result {} "there is no operation :result; did you mean :get-result or :put-result?"
    :no-such-thing-at-all {} "there is no operation :no-such-thing-at-all; (explore ctx) lists all"
    :get-result {} ":get-result needs the argument :name (Which result): a string, at least 1 characters, at most 20 characters"
    :get-result {:name nil} ":get-result needs the argument :name (Which result): a string, at least 1 characters, at most 20 characters"
    :get-result {:nmae "x"} ":get-result has no argument :nmae; did you mean :name?"
    :get-build {:name "x"} ":get-build has no argument :name; it has none"
    :get-result {:name 1} ":get-result: the argument :name (Which result) has to be a string, at least 1 characters, at most 20 characters, not 1"
    :get-result {:name ""} ":get-result: the argument :name (Which result) has to be a string, at least 1 characters, at most 20 characters, not \"\""
    :get-result {:name "x" :of "tomorrow"} ":get-result: the argument :of (Of which build) has to be a string, one of \"this\", \"previous\", \"last-success\", not \"tomorrow\""
    :get-result {:name "x" :max-size 101} ":get-result: the argument :max-size has to be an integer, at least 1, at most 100, not 101"
    :get-result {:name "x" :max-size "5"} ":get-result: the argument :max-size has to be an integer, at least 1, at most 100, not \"5\""
    :get-result {:name "x" :deep 1} ":get-result: the argument :deep has to be true or false or nil, not 1"
    :get-result "x" ":get-result takes a map of arguments, of :name, :monkeyci-job, :of, :max-size, :deep; given was \"x\""
    :get-result [:name "x"] ":get-result takes a map of arguments, of :name, :monkeyci-job, :of, :max-size, :deep; given was [:name \"x\"]"
    :put-result {:name "x"} ":put-result needs the argument :body (What to store): anything"
    :post-events {:body []} ":post-events: the argument :body has to be a list, at least 1 of them, not []"
    :post-events {:body [{:type :a/b} {:time 1}]} ":post-events: the argument :body lacks 1.type, a string"
    :post-events {:body [{:type :a/b :inner {:type 5}}]} ":post-events: the argument :body at 0.inner.type has to be a string, not 5"
    :post-events {:body [{:type :a/b :other 5}]} ":post-events: the argument :body has no 0.other"))

(deftest the-exception-says-what-is-wrong-as-data
  (try
    (sut/call ctx :get-result {:name 1})
    (is false)
    (catch clojure.lang.ExceptionInfo e
      (is (= {:type ::sut/bad-argument :operation :get-result :argument :name :description "Which result."
              :schema {"type" "string" "minLength" 1 "maxLength" 20}}
             (dissoc (ex-data e) :at))))))

(deftest answers-are-read
  (let [answers (fn [answer] (sut/call (runner (constantly answer)) :get-result {:name "x"}))]
    (is (= {:a [1]} (answers (edn 200 {:a [1]}))))
    (is (nil? (answers {:status 204 :headers {} :body (byte-array 0)})))
    (is (= "words" (answers {:status 200 :headers {"content-type" "text/plain"} :body (.getBytes "words")})))
    (is (= "{\"a\":1}" (answers {:status 200 :headers {"content-type" "application/json"} :body (.getBytes "{\"a\":1}")})))
    (is (= [1 2] (seq (answers {:status 200 :headers {"content-type" "image/png"} :body (byte-array [1 2])})))))
  (is (= {:status 418 :headers {"content-type" "application/edn; charset=utf-8"} :body {:message "m"}}
         (sut/response-for (runner (constantly (edn 418 {:message "m"}))) :get-build))))

(deftest refusals-are-exceptions-with-the-documents-words
  (are [status body message] (= message (try
                                          (sut/call (runner (constantly (edn status body))) :get-result {:name "x"})
                                          (catch clojure.lang.ExceptionInfo e (ex-message e))))
    404 {:message "build 7 is unknown"} ":get-result (Reads a result) was answered 404, No such build: build 7 is unknown"
    403 {:message "no"} ":get-result (Reads a result) was answered 403: no; it needs the scope results:read"
    500 nil ":get-result (Reads a result) was answered 500: the answer has status 500")
  (testing "they tell what the shared answers of the document mean"
    (is (thrown-with-msg? clojure.lang.ExceptionInfo #"401, The token is not good: no; it needs the scope build:read"
                          (sut/call (runner (constantly (edn 401 {:message "no"}))) :get-build)))))

(deftest the-document-is-asked-for-once
  (let [asked (atom [])
        ctx   (runner (constantly (edn 200 {})) asked)]
    (run! deref (doall (repeatedly 8 #(future (sut/call ctx :get-build)))))
    (sut/explore ctx)
    (is (= 1 (count (filter #(= ["openapi.json"] (:path %)) @asked))))
    (sut/refresh! ctx)
    (sut/explore ctx)
    (is (= 2 (count (filter #(= ["openapi.json"] (:path %)) @asked))))
    (is (= "a%20job" (get-in (last @asked) [:headers "MonkeyCI-Job"])))))

(deftest a-service-that-is-new-can-be-called
  (let [served (atom document)
        ctx    (runner (fn [{:keys [path]}] (edn 200 path)) (atom []) served)]
    (is (thrown? clojure.lang.ExceptionInfo (sut/call ctx :get-weather {:town "Ghent"})))
    (swap! served assoc-in ["paths" "/weather/{town}"]
           {"get" {"operationId" "get-weather" "summary" "The weather"
                   "parameters" [{"name" "town" "in" "path" "required" true "schema" {"type" "string"}}]
                   "responses" {"200" {"description" "The weather"}}}})
    (sut/refresh! ctx)
    (is (= ["weather" "Ghent"] (sut/call ctx :get-weather {:town "Ghent"})))))

(deftest a-runner-without-a-document-says-so
  (let [broken (fn [answer] (sut/explore {:api {:client (constantly answer)}}))]
    (is (thrown-with-msg? clojure.lang.ExceptionInfo #"does not describe its services: not here" (broken (edn 404 {:message "not here"}))))
    (is (thrown-with-msg? clojure.lang.ExceptionInfo #"is no OpenAPI document" (broken (edn 200 [1 2]))))
    (testing "and is asked again"
      (let [served (atom nil)
            ctx    (runner (constantly nil) (atom []) served)]
        (is (thrown? clojure.lang.ExceptionInfo (sut/explore ctx)))
        (reset! served document)
        (is (= 5 (count (sut/explore ctx)))))))
  (is (thrown-with-msg? clojure.lang.ExceptionInfo #"no client" (sut/explore {}))))

(deftest the-context-may-be-set-once
  (sut/use-context! ctx)
  (try
    (is (= 5 (count (sut/explore))))
    (finally (sut/use-context! nil))))

(deftest what-older-scripts-use-is-here
  (let [ctx (runner (fn [{:keys [path]}]
                      (case path
                        ["params"] (edn 200 [{:name "user" :value "me"}])
                        ["artifact" "there"] {:status 200 :headers {} :body (.getBytes "tgz")}
                        {:status 404 :headers {} :body (byte-array 0)})))]
    (is (= {"user" "me"} (sut/build-params ctx)))
    (is (= "tgz" (slurp (sut/download-artifact ctx "there"))))
    (is (nil? (sut/download-artifact ctx "absent")))))

;;; Over TCP, with the library's own client

(defn- serve-once
  "Answers the requests on each connection with the document, or with what was asked."
  [^ServerSocket server]
  (future
    (while (not (.isClosed server))
      (try
        (with-open [^Socket socket (.accept server)]
          (let [^InputStream in   (.getInputStream socket)
                ^OutputStream out (.getOutputStream socket)
                head (loop [text ""]
                       (let [b (.read in)]
                         (cond
                           (neg? b) text
                           (str/ends-with? text "\r\n\r") text
                           :else (recur (str text (char b))))))
                line (first (str/split-lines head))
                body (.getBytes (pr-str (if (str/includes? line "/openapi.json") document {:asked line})) "UTF-8")]
            (.write out (.getBytes (str "HTTP/1.1 200 OK\r\nContent-Type: application/edn\r\nConnection: close\r\n"
                                        "Content-Length: " (alength body) "\r\n\r\n")))
            (.write out body)
            (.flush out)))
        (catch java.net.SocketException _ nil)))))

(deftest it-works-over-the-network
  (with-open [server (ServerSocket. 0 50 (InetAddress/getLoopbackAddress))]
    (serve-once server)
    (let [ctx {:api {:client (http/client {:url (str "http://127.0.0.1:" (.getLocalPort server)) :token "secret"})}}]
      (is (= {:asked "GET /result/a%2Fb%20%C3%BC?of=this HTTP/1.1"}
             (sut/call ctx :get-result {:name "a/b ü" :of "this"}))))))

(deftest schemas-are-checked
  (are [schema good bad] (and (every? #(nil? (schema/problem {} schema %)) good)
                              (every? #(some? (schema/problem {} schema %)) bad))
    {} [nil 1 "x" {}] []
    true [1] []
    false [] [1 nil]
    {"type" "integer"} [1 2N 3.0] [1.5 "1" nil :a]
    {"type" "number" "exclusiveMinimum" 0} [1 0.1 1/2 3M] [0 -1 "1"]
    {"type" "string" "pattern" "^[a-z]+$"} ["abc" :abc 'abc] ["A" "1" 5]
    {"type" "string" "pattern" "("} ["abc"] [1]
    {"type" "string" "maxLength" 1} ["x" "😀"] ["xx"]
    {"type" ["string" "null"]} [nil "x"] [1]
    {"type" "string" "nullable" true} [nil "x"] [1]
    {"enum" [1 "a" nil]} [1 "a" :a nil] [2 "b"]
    {"const" "x"} ["x" :x] ["y"]
    {"type" "array" "items" {"type" "integer"} "maxItems" 2} [[] [1] #{1} '(1 2)] [[1 2 3] ["a"] {}]
    {"oneOf" [{"type" "integer"} {"type" "boolean"}]} [1 true] ["x"]
    {"allOf" [{"type" "integer"} {"minimum" 3}]} [3] [2 "x"]
    {"type" "object" "additionalProperties" {"type" "integer"}} [{} {:a 1} {"b" 2}] [{:a "x"} [] 1]
    {"type" "object" "properties" {"a" {"type" "integer"}} "required" ["a"]} [{:a 1} {"a" 1 :b 2}] [{} {:a "x"}])
  (testing "references that lead nowhere or in a circle end"
    (is (nil? (schema/problem {} {"$ref" "#/components/schemas/None"} 1)))
    (is (nil? (schema/problem {"a" {"$ref" "#/a"}} {"$ref" "#/a"} 1)))
    (is (nil? (schema/problem {"a" {"allOf" [{"$ref" "#/a"}]}} {"$ref" "#/a"} 1)))))
