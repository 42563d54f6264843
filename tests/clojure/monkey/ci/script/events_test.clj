(ns monkey.ci.script.events-test
  "The event stream, against a runner that breaks it off."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [monkey.ci.script.events :as sut]
            [monkey.ci.script.http :as http])
  (:import (java.io BufferedReader InputStreamReader)
           (java.net InetAddress ServerSocket Socket)
           (java.util.concurrent LinkedBlockingQueue TimeUnit)))

(defn- take-soon [^LinkedBlockingQueue queue]
  (.poll queue 20 TimeUnit/SECONDS))

(defn- read-head
  "The lines of a request up to the empty one."
  [^Socket socket]
  (let [in (BufferedReader. (InputStreamReader. (.getInputStream socket)))]
    (doall (take-while seq (repeatedly #(.readLine in))))))

(defn- say [^Socket socket & lines]
  (doto (.getOutputStream socket)
    (.write (.getBytes (str/join "\r\n" lines)))
    (.flush)))

(defn- framed [& lines]
  (let [text (str (str/join "\n" lines) "\n")]
    (format "%x\r\n%s\r\n" (count text) text)))

(def ^:private stream-head
  ["HTTP/1.1 200 OK" "Content-Type: text/event-stream" "Transfer-Encoding: chunked" "" ""])

(defn- last-seen [head]
  (some #(second (re-matches #"(?i)last-event-id: (.*)" %)) head))

(deftest a-stream-that-breaks-goes-on-behind-the-last-event
  (doseq [[how goodbye] {"in the middle of a chunk" "40\r\ndata: {:n"
                         "between two chunks"       ""
                         "with an end"              "0\r\n\r\n"}]
    (testing how
      (with-open [server (ServerSocket. 0 50 (InetAddress/getLoopbackAddress))]
        (let [heads  (LinkedBlockingQueue.)
              events (LinkedBlockingQueue.)
              lost   (LinkedBlockingQueue.)
              client (http/client {:url   (str "http://127.0.0.1:" (.getLocalPort server))
                                   :token "t"})
              serve  (future
                       (with-open [socket (.accept server)]
                         (.put heads (read-head socket))
                         (apply say socket stream-head)
                         (say socket (str (framed "id: 7" "data: {:n 1}" "") (framed "id: 8" "data: {:n 2}" "")
                                           goodbye)))
                       (with-open [socket (.accept server)]
                         (.put heads (read-head socket))
                         (apply say socket stream-head)
                         (say socket (framed "id: 9" "data: {:n 3}" ""))
                         ;; Open until the client closes it.
                         (.read (.getInputStream socket))))
              stop!  (sut/listen client #(.put events %) #(.put lost %))]
          (is (fn? stop!))
          (is (nil? (last-seen (take-soon heads))))
          (is (= "8" (last-seen (take-soon heads))))
          (is (= [{:n 1} {:n 2} {:n 3}] (repeatedly 3 #(take-soon events))))
          (stop!)
          (is (= -1 (deref serve 20000 ::late)) "a listener that is stopped leaves")
          (is (= [[] []] [(vec events) (vec lost)])))))))

(deftest a-stream-that-is-refused-is-not-asked-for-again
  (with-open [server (ServerSocket. 0 50 (InetAddress/getLoopbackAddress))]
    (let [lost   (LinkedBlockingQueue.)
          client (http/client {:url   (str "http://127.0.0.1:" (.getLocalPort server))
                               :token "t"})]
      (future
        (with-open [socket (.accept server)]
          (read-head socket)
          (say socket "HTTP/1.1 401 Unauthorized" "Content-Length: 0" "" "")))
      (is (nil? (sut/listen client (fn [_]) #(.put lost %))))
      (is (= "The runner answers the event stream with status 401" (take-soon lost))))))
