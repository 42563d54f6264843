(ns monkey.ci.script.client
  "The stand-in's side of the script API."
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.string :as str])
  (:import (java.net URI URLEncoder)
           (java.net.http HttpClient HttpRequest HttpRequest$BodyPublishers HttpRequest$Builder
                          HttpResponse HttpResponse$BodyHandlers)
           (java.util.concurrent LinkedBlockingQueue)))

(def ^:private accepted
  (into #{300 301 302 303 304 307} (range 200 208)))

;; HTTP/2 is its default: without TLS it asks for an upgrade with every request.
(def ^:private http (delay (HttpClient/newHttpClient)))

(defn- request ^HttpRequest [{:keys [url token]} method path publisher]
  (let [builder (HttpRequest/newBuilder (URI/create (str url path)))]
    (doseq [[k v] [["accept" "*/*"] ["accept-encoding" "gzip"] ["accept-encoding" "deflate"]
                   ["authorization" (str "Bearer " token)]
                   ["user-agent" "babashka.http-client/0.4.22"]]]
      (.header ^HttpRequest$Builder builder k v))
    (.build (.method ^HttpRequest$Builder builder method publisher))))

(defn- send! [api method path publisher handler]
  (let [req ^HttpRequest (request api method path publisher)
        rep ^HttpResponse (.send ^HttpClient @http req handler)]
    (when-not (accepted (.statusCode rep))
      ;; The original prints the headers, the token among them, into what it throws.
      (throw (ex-info (str "Exceptional status code: " (.statusCode rep))
                      {:status (.statusCode rep) :uri (.uri req)
                       :headers (into {} (.map (.headers req)))})))
    rep))

(defn- text-of [^HttpResponse rep]
  (.body rep))

(defn call
  "Sends a request and reads the answer: nil when it is empty."
  ([api method path]
   (call api method path nil))
  ([api method path body]
   (let [publisher (if body
                     (HttpRequest$BodyPublishers/ofString (pr-str body))
                     (HttpRequest$BodyPublishers/noBody))
         text      (text-of (send! api method path publisher (HttpResponse$BodyHandlers/ofString)))]
     (when-not (str/blank? text)
       (edn/read-string {:default tagged-literal} text)))))

;;; Artifacts and caches

(def ^:private save-method (or (System/getenv "STANDIN_SAVE") "POST"))

(defn save! [api kind job-id {:keys [id path]}]
  (call api save-method (str "/" kind "/" job-id "/" id) {:path path}))

(defn restore! [api kind job-id {:keys [id path]}]
  (:path (call api "GET" (str "/" kind "/" job-id "/" id "?path=" (URLEncoder/encode path "UTF-8")))))

;;; Events

(def ^:private cut (some-> (System/getenv "STANDIN_CUT") keyword))
(def ^:private lag (Long/parseLong (or (System/getenv "STANDIN_LAG") "0")))

(defn- break-off!
  "Sends half of what it announces, and is gone."
  [api event]
  (let [bytes (.getBytes (pr-str [event]) "UTF-8")
        half  (HttpRequest$BodyPublishers/ofByteArray bytes 0 (quot (alength bytes) 2))]
    (try (send! api "POST" "/events"
                (HttpRequest$BodyPublishers/fromPublisher half (alength bytes))
                (HttpResponse$BodyHandlers/ofString))
         (catch Throwable _ nil))
    (.halt (Runtime/getRuntime) (case (:status event) (:error :failure) 1 0))))

(def loses?
  "True when the last events are to be lost, and none by luck."
  (pos? lag))

(defn start-poster!
  "Posts what it is given, one after the other; what fails is lost. Returns what takes events, and
  gives for each a promise that is kept when it was posted (or is held back)."
  [api]
  (let [queue (LinkedBlockingQueue.)
        post! (fn [event]
                (if (= cut (:type event))
                  (break-off! api event)
                  (try (call api "POST" "/events" [event])
                       (catch Throwable e
                         (binding [*out* *err*]
                           (println "Unable to post event:" (:type event) (ex-message e)))))))]
    (doto (Thread. (fn []
                     (loop [held clojure.lang.PersistentQueue/EMPTY]
                       (let [[event posted] (.take queue)
                             held (conj held event)
                             over (> (count held) lag)]
                         (when over
                           (post! (peek held)))
                         (deliver posted true)
                         (when-not (and loses? (= :script/end (:type event)))
                           (recur (if over (pop held) held)))))))
      (.setDaemon true)
      (.start))
    (fn [event]
      (let [posted (promise)]
        (.put queue [event posted])
        posted))))

(defn start-reader!
  "Hands on what the runner sends. Returns when the stream is open; ends for good at the first line
  that cannot be read."
  [api handle]
  (let [body (text-of (send! api "GET" "/events" (HttpRequest$BodyPublishers/noBody)
                             (HttpResponse$BodyHandlers/ofInputStream)))]
    (doto (Thread. (fn []
                     (try
                       (doseq [line (line-seq (io/reader body))
                               :when (str/starts-with? line "data: ")
                               :let [event (edn/read-string (subs line 6))]
                               :when (not= :script (:src event))]
                         (handle event))
                       (catch Throwable e
                         (binding [*out* *err*]
                           (println "The event stream is dead:" (ex-message e)))))))
      (.setDaemon true)
      (.start))))
