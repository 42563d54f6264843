(ns monkey.ci.script.http
  "A small HTTP/1.1 client for the script API, over a Unix socket or loopback TCP.

      (def c (client {:socket \"/run/…/api.sock\" :url \"http://127.0.0.1:4000\" :token \"…\"}))

      (request c {:method  :get                    ; the default
                  :path    [\"result\" \"my name\"]    ; segments (encoded for you), or a string \"/x\"
                  :query   {:of \"previous\"}        ; nil values are left out
                  :headers {\"Accept\" \"application/json\"}
                  :body    \"text or a byte array\"})
      ;; => {:status 200 :headers {\"content-type\" \"…\"} :body <byte array>}

  The socket is used when it can be opened, else the URL. Any status is an answer; only a service
  that cannot be reached, or breaks off, is an exception (`ex-info` with `:type ::unreachable`).
  Without further words we send and accept EDN. Connections are kept and used again; a client may
  be used by many threads at once. `open-stream` gives an endless answer line by line, on a
  connection of its own."
  (:require [clojure.string :as str])
  (:import (java.io ByteArrayOutputStream EOFException IOException)
           (java.net InetSocketAddress StandardProtocolFamily UnixDomainSocketAddress URI URLEncoder)
           (java.nio ByteBuffer)
           (java.nio.channels SocketChannel)
           (java.util.concurrent LinkedBlockingQueue)))

(defn client
  "A client of the API at `:socket` and/or `:url`, with `:token`. Opens nothing yet. The token does
  not show when the client is printed."
  [{:keys [socket url token]}]
  {:socket socket
   :url    url
   ::token (constantly token)
   ::idle  (LinkedBlockingQueue.)})

;;; Addresses

(defn encode
  "Percent-encodes one path segment, or a name in a header."
  [segment]
  (let [text (if (keyword? segment) (subs (str segment) 1) (str segment))]
    (case text
      "." "%2E"
      ".." "%2E%2E"
      (-> (URLEncoder/encode ^String text "UTF-8")
          (str/replace "+" "%20")
          (str/replace "%7E" "~")))))

(defn- query-string [query]
  (let [pairs (for [[k v] query :when (some? v)]
                (str (encode k) "=" (encode v)))]
    (when (seq pairs)
      (str "?" (str/join "&" pairs)))))

(defn- target [{:keys [url]} {:keys [path query]}]
  (let [prefix (some-> url str URI/create .getRawPath (str/replace #"/+$" ""))]
    (str prefix
         (if (string? path)
           path
           (str "/" (str/join "/" (map encode path))))
         (query-string query))))

;;; Connections: a channel and what was read of it ahead

(defn- connected
  "The channel after `connect!`; closed when that fails."
  [^SocketChannel channel connect!]
  (try
    (connect! channel)
    channel
    (catch Throwable e
      (.close channel)
      (throw e))))

(defn- open-socket [path]
  (let [address (UnixDomainSocketAddress/of ^String path)]
    (connected (SocketChannel/open StandardProtocolFamily/UNIX)
               (fn [^SocketChannel channel] (.connect channel address)))))

(defn- open-tcp [url]
  (let [uri     (URI/create ^String (str url))
        port    (.getPort uri)
        _       (when-not (= "http" (.getScheme uri))
                  (throw (IOException. (str "cannot speak " (.getScheme uri) " to the script API"))))
        address (InetSocketAddress. (.getHost uri) (int (if (neg? port) 80 port)))]
    (connected (SocketChannel/open) (fn [^SocketChannel channel] (.connect channel address)))))

(defn- open-channel [{:keys [socket url]}]
  (cond
    (nil? socket) (open-tcp url)
    (nil? url)    (open-socket socket)
    :else         (try
                    (open-socket socket)
                    (catch IOException _ (open-tcp url))
                    (catch UnsupportedOperationException _ (open-tcp url)))))

(defn- connect [{:keys [socket url] :as client}]
  (when-not (or socket url)
    (throw (ex-info "No address of the script API is known" {:type ::unreachable})))
  (try
    {:channel (open-channel client)
     :buffer  (.flip (ByteBuffer/allocate 65536))}
    (catch IOException e
      (throw (ex-info (str "The script API cannot be reached: " (ex-message e))
                      {:type ::unreachable} e)))))

(defn- close [{:keys [channel]}]
  (try
    (.close ^SocketChannel channel)
    (catch IOException _ nil)))

(defn- send-bytes [{:keys [channel]} ^bytes bs]
  (let [buffer (ByteBuffer/wrap bs)]
    (while (.hasRemaining buffer)
      (.write ^SocketChannel channel buffer))))

(defn- fill
  "Waits for more bytes when none are left; false at the end."
  [{:keys [channel buffer]}]
  (let [^ByteBuffer buffer buffer]
    (if (.hasRemaining buffer)
      true
      (do (.clear buffer)
          (let [n (.read ^SocketChannel channel buffer)]
            (.flip buffer)
            (pos? n))))))

(defn- take-bytes
  "What has arrived, at most `limit` bytes, waiting for the first; nil at the end."
  [conn limit]
  (when (fill conn)
    (let [^ByteBuffer buffer (:buffer conn)
          bs (byte-array (min (long limit) (.remaining buffer)))]
      (.get buffer bs)
      bs)))

(defn- read-line-of
  "One line of the head; nil at the end."
  [conn]
  (let [out (ByteArrayOutputStream.)
        ^ByteBuffer buffer (:buffer conn)]
    (loop []
      (if (fill conn)
        (let [b (.get buffer)]
          (cond
            (not= 10 b) (do (.write out (int b)) (recur))
            :else (str/trimr (String. (.toByteArray out) "UTF-8"))))
        (when (pos? (.size out))
          (String. (.toByteArray out) "UTF-8"))))))

;;; Requests and answers

(defn- to-bytes ^bytes [body]
  (cond
    (nil? body)    nil
    (string? body) (.getBytes ^String body "UTF-8")
    :else          body))

(defn- without-breaks [s]
  (str/replace (str s) #"[\r\n]+" " "))

(defn- head-bytes ^bytes [client {:keys [method headers] :as req} ^bytes body]
  (let [token    ((::token client))
        method   (str/upper-case (name (or method :get)))
        defaults (cond-> {"host" "localhost" "accept" "application/edn"}
                   token (assoc "authorization" (str "Bearer " token))
                   body  (assoc "content-type" "application/edn")
                   (or body (#{"POST" "PUT"} method)) (assoc "content-length" (count body)))
        all      (into defaults
                       (for [[k v] headers :when (some? v)]
                         [(str/lower-case (name k)) v]))]
    (-> (str method " " (target client req) " HTTP/1.1\r\n"
             (str/join (for [[k v] all] (str k ": " (without-breaks v) "\r\n")))
             "\r\n")
        (.getBytes "UTF-8"))))

(defn- broken [message]
  (EOFException. message))

(defn- read-headers [conn]
  (loop [headers {}]
    (let [line (read-line-of conn)]
      (cond
        (nil? line) (throw (broken "the answer of the script API breaks off"))
        (= "" line) headers
        :else (let [[k v] (str/split line #":\s*" 2)]
                (recur (assoc headers (str/lower-case k) (or v ""))))))))

(defn- read-head
  "Status and headers of the answer; nil when the connection had been closed before it."
  [conn]
  (when-let [line (read-line-of conn)]
    (let [[_ status] (re-matches #"HTTP/1\.[01] (\d{3}).*" line)]
      (when-not status
        (throw (IOException. "this is no answer of an HTTP service")))
      (let [head {:status (Long/parseLong status) :headers (read-headers conn)}]
        (if (< 99 (long (:status head)) 200)
          (recur conn)
          head)))))

(defn- of-length [conn length]
  (let [left (volatile! (long length))]
    (fn []
      (when (pos? (long @left))
        (let [bs (or (take-bytes conn @left) (throw (broken "the answer is cut off")))]
          (vswap! left - (count bs))
          bs)))))

(defn- chunk-size [conn]
  (let [line (or (read-line-of conn) (throw (broken "the stream breaks off")))]
    (Long/parseLong (str/trim (first (str/split line #";"))) 16)))

(defn- of-chunks [conn]
  (let [left  (volatile! 0)
        state (volatile! :first)]
    (fn []
      (when (and (not= :done @state) (zero? (long @left)))
        (when (= :next @state) (read-line-of conn))
        (vreset! state :next)
        (let [size (chunk-size conn)]
          (vreset! left size)
          (when (zero? (long size))
            (read-headers conn)
            (vreset! state :done))))
      (when (not= :done @state)
        (let [bs (or (take-bytes conn @left) (throw (broken "the stream breaks off")))]
          (vswap! left - (count bs))
          bs)))))

(defn- body-source
  "A function that gives the next bytes of the body, and nil at its end."
  [conn method {:keys [status headers]}]
  (let [length (get headers "content-length")]
    (cond
      (or (= :head method) (#{204 304} status)) (constantly nil)
      (some-> (get headers "transfer-encoding") str/lower-case (str/includes? "chunked"))
      (of-chunks conn)
      length (of-length conn (Long/parseLong (str/trim length)))
      :else #(take-bytes conn 65536))))

(defn- ends-with-connection? [method {:keys [status headers]}]
  (or (some-> (get headers "connection") str/lower-case (str/includes? "close"))
      (not (or (= :head method) (#{204 304} status)
               (contains? headers "content-length")
               (contains? headers "transfer-encoding")))))

(defn- read-all [source]
  (let [out (ByteArrayOutputStream.)]
    (loop []
      (when-let [bs (source)]
        (.write out ^bytes bs 0 (count bs))
        (recur)))
    (.toByteArray out)))

(defn- exchange
  "One request on an open connection. Gives nil when the other side had closed it meanwhile."
  [client conn {:keys [method] :as req}]
  (let [body (to-bytes (:body req))]
    (when (try
            (send-bytes conn (head-bytes client req body))
            (when body (send-bytes conn body))
            true
            ;; A refusal may have been sent before the body was read: the answer tells.
            (catch IOException _
              (and (::fresh conn) (.isOpen ^SocketChannel (:channel conn)))))
      (when-let [head (read-head conn)]
        (let [answer (assoc head :body (read-all (body-source conn method head)))]
          (if (ends-with-connection? method head)
            (close conn)
            (.offer ^LinkedBlockingQueue (::idle client) (dissoc conn ::fresh)))
          answer)))))

(defn- attempt [client conn req]
  (try
    (or (exchange client conn req)
        (do (close conn) nil))
    (catch IOException e
      (close conn)
      (throw (ex-info (str "The script API broke off: " (or (ex-message e) (str (class e))))
                      {:type ::unreachable :path (:path req)} e)))
    (catch Throwable e
      (close conn)
      (throw e))))

(defn request
  "Sends one request and waits for the whole answer:
  `{:status 200 :headers {\"lower-case\" \"value\"} :body <byte array>}`."
  [client req]
  (loop []
    (if-let [idle (.poll ^LinkedBlockingQueue (::idle client))]
      ;; A kept connection may be stale: then the next one is tried.
      (or (try
            (attempt client idle req)
            (catch clojure.lang.ExceptionInfo e
              (when-not (instance? IOException (ex-cause e)) (throw e))
              (when (Thread/interrupted)
                (.interrupt (Thread/currentThread))
                (throw e))))
          (recur))
      (or (attempt client (assoc (connect client) ::fresh true) req)
          (throw (ex-info "The script API gave no answer"
                          {:type ::unreachable :path (:path req)}))))))

(defn body-string
  "The body of an answer as text."
  [{:keys [body]}]
  (if body (String. ^bytes body "UTF-8") ""))

(defn ok?
  "Whether the status of an answer is one of success."
  [{:keys [status]}]
  (<= 200 (long status) 299))

(defn open-stream
  "Sends a request whose answer does not end, on a connection of its own. Gives
  `{:status … :headers … :read-line f :close f}`; `read-line` waits for the next line and gives
  nil at the end of the stream. Throws as `request` does."
  [client req]
  (let [conn (connect client)]
    (try
      (send-bytes conn (head-bytes client req nil))
      (let [head   (or (read-head conn) (throw (broken "no answer")))
            source (body-source conn :get head)
            line   (ByteArrayOutputStream.)
            chunk  (volatile! nil)
            at     (volatile! 0)
            end    (fn []
                     (let [text (String. (.toByteArray line) "UTF-8")]
                       (.reset line)
                       (if (str/ends-with? text "\r") (subs text 0 (dec (count text))) text)))
            next-line
            (fn next-line []
              (let [^bytes bs @chunk
                    from      (long @at)]
                (if (and bs (< from (alength bs)))
                  (let [size (alength bs)
                        stop (loop [i from] (if (and (< i size) (not= 10 (aget bs i))) (recur (inc i)) i))]
                    (.write line bs (int from) (int (- stop from)))
                    (vreset! at (inc stop))
                    (if (< stop size) (end) (recur)))
                  (when-let [more (source)]
                    (vreset! chunk more)
                    (vreset! at 0)
                    (recur)))))]
        (assoc head
               :read-line (fn []
                            (try
                              (next-line)
                              (catch IOException e
                                (throw (ex-info "The stream of the script API broke off"
                                                {:type ::unreachable} e)))))
               :close #(close conn)))
      (catch IOException e
        (close conn)
        (throw (ex-info (str "The script API broke off: " (ex-message e)) {:type ::unreachable} e)))
      (catch Throwable e
        (close conn)
        (throw e)))))
