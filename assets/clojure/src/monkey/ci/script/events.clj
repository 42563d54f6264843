(ns monkey.ci.script.events
  "Telling the runner what happens, and hearing what it says.

  One thread posts, in order, what is waiting at the moment in one request; another reads the event
  stream and comes back after the last event that it has seen when the stream breaks."
  (:require [clojure.string :as str]
            [monkey.ci.jobs :as jobs]
            [monkey.ci.script.edn :as edn]
            [monkey.ci.script.http :as http])
  (:import (java.util ArrayList)
           (java.util.concurrent LinkedBlockingQueue)))

(defn daemon
  "Runs `f` in a thread that does not keep the process alive. Gives the thread."
  ^Thread [thread-name f]
  (doto (Thread. ^Runnable f)
    (.setName thread-name)
    (.setDaemon true)
    (.start)))

;;; What a job is, on the wire

(defn- blob [item]
  (-> (select-keys item [:id :path])
      (update :id jobs/id->str)
      (update :path str)))

(defn job->data
  "The job without its functions, as it is told to others."
  [job]
  (reduce (fn [job k] (cond-> job (seq (k job)) (update k #(mapv blob %))))
          (dissoc job :action :init :result)
          [:save-artifacts :restore-artifacts :caches]))

;;; Posting

(def ^:private largest-batch 200)

(defn- post-batch [client events on-lost]
  (try
    (let [{:keys [status]} (http/request client {:method :post
                                                 :path   "/events"
                                                 :body   (edn/write-strict (vec events))})]
      (when-not (<= 200 (long status) 299)
        (on-lost (str "The runner refuses events with status " status))))
    (catch Exception e
      (on-lost (ex-message e)))))

(defn poster
  "Starts to post. Gives `{:post! f :told! f :close! f}`: `post!` takes an event and returns at once,
  `told!` waits until all so far is posted, `close!` is the last `told!`. `on-lost` is told why when
  that is not possible."
  [client on-lost]
  (let [queue  (LinkedBlockingQueue.)
        thread (daemon "poster"
                       (fn []
                         (loop []
                           (let [batch (ArrayList.)]
                             (.add batch (.take queue))
                             (.drainTo queue batch (int largest-batch))
                             (let [events (filter map? batch)]
                               (when (seq events)
                                 (post-batch client events on-lost))
                               (doseq [waiting (remove map? batch)
                                       :when (not= ::end waiting)]
                                 (deliver waiting true))
                               (when-not (some #{::end} batch)
                                 (recur)))))))]
    {:post!  (fn [event] (.put queue event))
     :told!  (fn []
               (let [arrived (promise)]
                 (.put queue arrived)
                 (deref arrived 30000 nil)))
     :close! (fn []
               (.put queue ::end)
               (.join ^Thread thread 30000))}))

;;; Listening

(def ^:private tries
  "So often a stream that breaks is opened again in a row, with longer and longer pauses."
  8)

(defn- take-line
  "What a line of the stream adds: `[last-id event]`, the event nil when there is none."
  [last-id line]
  (cond
    (str/starts-with? line "id: ") [(subs line 4) nil]
    (str/starts-with? line "data: ") [last-id (try
                                                (edn/read-lenient (subs line 6))
                                                ;; One odd line is one event less, no more.
                                                (catch Exception _ nil))]
    :else [last-id nil]))

(defn- read-stream
  "Reads one stream to its end, which may be an exception, and keeps the id of the last event in
  `seen`."
  [{:keys [read-line]} seen on-event]
  (loop []
    (when-let [line (read-line)]
      (let [[last-id event] (take-line @seen line)]
        (when (map? event)
          (on-event event))
        (reset! seen last-id)
        (recur)))))

(defn- open-events [client seen]
  (let [stream (http/open-stream client {:path    "/events"
                                         :headers (cond-> {"Accept" "text/event-stream"}
                                                    seen (assoc "Last-Event-ID" seen))})]
    (when-not (= 200 (:status stream))
      ((:close stream))
      (throw (ex-info (str "The runner answers the event stream with status " (:status stream))
                      {:final? true})))
    stream))

(defn- pause-before [left]
  (Thread/sleep (long (* 50 (bit-shift-left 1 (- (long tries) (long left)))))))

(defn listen
  "Opens the event stream and returns when the runner has answered; then each event is given to
  `on-event` from another thread. `on-lost` is told why when the stream cannot be had (any more).

  Gives a function that ends the listening and waits for that, nil when the stream was refused. A
  thread that still waits for the network costs the end of a JVM a third of a second."
  [client on-event on-lost]
  (let [opened  (promise)
        seen    (atom nil)
        current (atom nil)                             ; the open stream, or ::stopped
        follow  (fn []
                  (let [{:keys [close] :as stream} (open-events client @seen)]
                    (try
                      (when (compare-and-set! current nil stream)
                        (deliver opened true)
                        (read-stream stream seen on-event))
                      (finally
                        (compare-and-set! current stream nil)
                        (close)))))
        lost    (fn [why]
                  (deliver opened false)
                  (when-not (= ::stopped @current)
                    (on-lost why)))
        thread  (daemon "events"
                        (fn []
                          (loop [left tries]
                            (let [before @seen
                                  why    (try
                                           (follow)
                                           "The event stream has ended"
                                           (catch Throwable e
                                             (if (:final? (ex-data e)) e (ex-message e))))]
                              (cond
                                (= ::stopped @current)    nil
                                (instance? Throwable why) (lost (ex-message why))
                                (not= before @seen)       (recur (long tries))
                                (pos? left)               (do (pause-before left) (recur (dec left)))
                                :else                     (lost why))))))]
    (when @opened
      (fn []
        (let [[stream] (reset-vals! current ::stopped)]
          (when (map? stream)
            ((:close stream)))
          (.join ^Thread thread 100))))))
