(ns monkey.ci.build.archive
  "Reads `.tgz` archives, as artifacts and caches are kept: unpacks them, lists them, reads files
  out of them.

      (extract stream \"target/dir\")             ; unpacks, gives the names of the files
      (list-files stream)                       ; names only
      (extract+read stream \"out/junit.xml\")     ; the text of the first file that matches
      (extract+read-all stream #\".*\\\\.xml\")     ; the texts of all that match

  A source is an input stream (it is closed at the end), a byte array, a file or a file's name. A
  file is chosen by its exact name, a regular expression that matches the whole name, or a function
  of the name. Archives may come from anybody: entries that would leave the target folder,
  absolute names, links to outside, devices and archives beyond the limits are refused with an
  exception, before anything of that entry is written."
  (:require [clojure.java.io :as io]
            [clojure.string :as str])
  (:import (java.io ByteArrayInputStream ByteArrayOutputStream EOFException File IOException
                    InputStream OutputStream)
           (java.nio.file Files LinkOption Path)
           (java.nio.file.attribute FileAttribute)
           (java.util.regex Pattern)
           (java.util.zip GZIPInputStream)))

(def limits
  "What an archive may hold, unless other limits are given: entries, bytes when unpacked, bytes of
  one file that is read into memory, and characters of one name."
  {:max-entries 200000
   :max-bytes   (* 8 1024 1024 1024)
   :max-read    (* 64 1024 1024)
   :max-name    4096})

(defn- refuse [message data]
  (throw (ex-info (str "The archive is refused: " message) (assoc data :type ::refused))))

;;; Bytes

(defn- open-source ^InputStream [source]
  (cond
    (instance? InputStream source) source
    (bytes? source) (ByteArrayInputStream. ^bytes source)
    :else (io/input-stream source)))

(defn- read-fully
  "Reads as many bytes as the array holds; the number that came before the end."
  [^InputStream in ^bytes into-bytes]
  (let [size (alength into-bytes)]
    (loop [at 0]
      (if (< at size)
        (let [n (.read in into-bytes (int at) (int (- size at)))]
          (if (neg? n) at (recur (+ at n))))
        at))))

(defn- copy-bytes
  "Copies `size` bytes to `out`, or nowhere when that is nil."
  [^InputStream in ^OutputStream out size]
  (let [buffer (byte-array 65536)]
    (loop [left (long size)]
      (when (pos? left)
        (let [n (.read in buffer 0 (int (min left 65536)))]
          (when (neg? n)
            (throw (EOFException. "The archive ends in the middle of a file")))
          (when out (.write out buffer 0 n))
          (recur (- left n)))))))

(defn- padding
  "Bytes between the end of a file and that of its last block."
  ^long [size]
  (mod (- (long size)) 512))

;;; Headers

(defn- text-at [^bytes block from size]
  (let [from (long from)
        stop (loop [i from]
               (if (and (< i (+ from (long size))) (not (zero? (aget block i)))) (recur (inc i)) i))]
    (String. block (int from) (int (- stop from)) "UTF-8")))

(defn- number-at
  "A number in octal, or in the binary form for large ones."
  ^long [^bytes block from size]
  (let [from (long from)]
    (if (neg? (aget block from))
      (let [digits (map #(bit-and 0xff (aget block (int %))) (range (inc from) (+ from (long size))))
            number (reduce (fn [n d] (+ (* 256N n) (long d))) 0N digits)]
        (if (and (= -128 (aget block from)) (< number Long/MAX_VALUE))
          (long number)
          (refuse "a number in it makes no sense" {})))
      (let [text (str/trim (text-at block from size))]
        (cond
          (= "" text) 0
          (re-matches #"[0-7]{1,20}" text) (Long/parseLong text 8)
          :else (refuse "a number in it makes no sense" {:number text}))))))

(defn- check-sum? [^bytes block]
  (= (number-at block 148 8)
     (loop [i 0, sum 0]
       (if (< i 512)
         (recur (inc i) (+ sum (if (<= 148 i 155) 32 (bit-and 0xff (aget block i)))))
         sum))))

(defn- header [^bytes block]
  (when-not (check-sum? block)
    (refuse "it is no tar archive, or damaged" {}))
  (let [prefix (when (= "ustar" (subs (text-at block 257 6) 0 (min 5 (count (text-at block 257 6)))))
                 (text-at block 345 155))
        ;; GNU's own format keeps other things where the prefix is.
        prefix (when-not (= 32 (aget block 262)) prefix)
        name   (text-at block 0 100)]
    {:name (if (seq prefix) (str prefix "/" name) name)
     :mode (number-at block 100 8)
     :size (number-at block 124 12)
     :kind (char (bit-and 0xff (aget block 156)))
     :link (text-at block 157 100)}))

(defn- pax-records
  "The pairs of an extended header, each written as `length key=value\\n`."
  [^bytes bs]
  (loop [at 0, found {}]
    (if (< at (alength bs))
      (let [space  (loop [i at] (if (and (< i (alength bs)) (not= 32 (aget bs i))) (recur (inc i)) i))
            digits (String. bs (int at) (int (- space at)) "UTF-8")
            size   (if (re-matches #"[0-9]{1,9}" digits) (Long/parseLong digits) 0)
            end    (+ at size)]
        (if (and (> size (inc (- space at))) (<= end (alength bs)))
          (let [[k v] (str/split (String. bs (int (inc space)) (int (- end space 2)) "UTF-8") #"=" 2)]
            (recur end (assoc found k v)))
          (refuse "an extended header in it is damaged" {})))
      found)))

(defn- small-body
  "A body that describes the next entry."
  ^bytes [^InputStream in {:keys [size]}]
  (when (> (long size) (* 1024 1024))
    (refuse "a header in it is too large" {:size size}))
  (let [bs (byte-array (int size))]
    (when (< (long (read-fully in bs)) (alength bs))
      (throw (EOFException. "The archive ends in the middle of a header")))
    (copy-bytes in nil (padding size))
    bs))

(defn- c-string [^bytes bs]
  (text-at bs 0 (alength bs)))

(defn- with-pax [entry pax]
  (let [size (get pax "size")]
    (cond-> entry
      (get pax "path")     (assoc :name (get pax "path"))
      (get pax "linkpath") (assoc :link (get pax "linkpath"))
      (and size (re-matches #"[0-9]{1,18}" size)) (assoc :size (Long/parseLong size)))))

(defn- next-entry
  "The next entry of an archive, with long names put in place; nil at the end."
  [^InputStream in]
  (let [block (byte-array 512)]
    (loop [extra {}, described 0]
      (let [n (long (read-fully in block))]
        (cond
          (zero? n) nil
          (< n 512) (throw (EOFException. "The archive ends in the middle of a header"))
          (every? zero? block) nil
          (> (long described) 100) (refuse "an entry has too many headers" {})
          :else
          (let [entry (header block)
                more  #(small-body in entry)]
            (case (:kind entry)
              \L (recur (assoc extra "path" (c-string (more))) (inc (long described)))
              \K (recur (assoc extra "linkpath" (c-string (more))) (inc (long described)))
              \x (recur (merge extra (pax-records (more))) (inc (long described)))
              \g (do (more) (recur extra (inc (long described))))
              (with-pax entry extra))))))))

(defn- kind-of [{:keys [kind name]}]
  (case (char kind)
    (\0 \7 \u0000) (if (str/ends-with? name "/") :folder :file)
    \5 :folder
    \2 :symlink
    \1 :hardlink
    :other))

(defn- clean-name
  "The entry's name as relative path, without `.` parts: \"\" is the target itself."
  [{:keys [name] :as entry} {:keys [max-name]}]
  (let [parts (remove #{"" "."} (str/split name #"/+"))]
    (cond
      (> (count name) (long max-name)) (refuse "a name in it is too long" {})
      (str/starts-with? name "/") (refuse (str "\"" name "\" is an absolute name") {:name name})
      (some #{".."} parts) (refuse (str "\"" name "\" leads out of the target") {:name name})
      (str/includes? name "\u0000") (refuse "a name in it cannot be one" {})
      :else (assoc entry :name (str/join "/" parts) :kind (kind-of entry)))))

(defn- gunzip ^InputStream [^InputStream in]
  (try
    (GZIPInputStream. in 65536)
    (catch EOFException e
      (throw (ex-info "The archive is refused: it is empty" {:type ::refused} e)))
    (catch IOException e
      (throw (ex-info "The archive is refused: it is not compressed with gzip" {:type ::refused} e)))))

(defn- reduce-entries
  "Calls `(f state entry in)` for each entry; `f` may read its `:size` bytes from `in`, and gives
  the next state and whether it did so: `[state read?]`. A reduced state ends it."
  [source options f state]
  (let [options (merge limits options)]
    (with-open [raw (open-source source)
                in  (gunzip raw)]
      (loop [state state, entries 1, total 0]
        (if-let [entry (some-> (next-entry in) (clean-name options))]
          (let [size  (if (#{:file :other} (:kind entry)) (long (:size entry)) 0)
                total (+ total size)]
            (when (> entries (long (:max-entries options)))
              (refuse (str "it has more than " (:max-entries options) " entries") {}))
            (when (> total (long (:max-bytes options)))
              (refuse (str "it holds more than " (:max-bytes options) " bytes") {}))
            (let [[state read?] (f state (assoc entry :size size) in options)]
              (if (reduced? state)
                @state
                (do (copy-bytes in nil (+ (if read? 0 size) (padding size)))
                    (recur state (inc entries) total)))))
          state)))))

;;; Choosing files

(defn- chooser
  "A predicate for names from a name, a regular expression, or a function."
  [choice]
  (cond
    (nil? choice) (constantly true)
    (string? choice) (let [wanted (str/join "/" (remove #{"" "."} (str/split choice #"/+")))]
                       #(= wanted %))
    (instance? Pattern choice) #(some? (re-matches choice %))
    (ifn? choice) choice
    :else (throw (ex-info (str "Files are chosen by name, regular expression or function, not by "
                               (pr-str choice))
                          {:type ::choice}))))

;;; Unpacking

(def ^:private no-links (into-array LinkOption [LinkOption/NOFOLLOW_LINKS]))
(def ^:private follow (into-array LinkOption []))
(def ^:private plain (into-array FileAttribute []))

(defn- path-of ^Path [x]
  (.toPath (io/file x)))

(defn- folder-inside
  "Makes the folder of an entry, part by part, never through a link to outside."
  [^Path root ^Path folder]
  (when-not (Files/exists folder ^"[Ljava.nio.file.LinkOption;" no-links)
    (when-not (= root folder)
      (folder-inside root (.getParent folder)))
    (Files/createDirectory folder ^"[Ljava.nio.file.attribute.FileAttribute;" plain))
  (let [real (.toRealPath folder ^"[Ljava.nio.file.LinkOption;" follow)]
    (when-not (.startsWith real root)
      (refuse (str "\"" (.relativize root folder) "\" leads out of the target through a link") {}))
    (when-not (Files/isDirectory real ^"[Ljava.nio.file.LinkOption;" follow)
      (refuse (str "\"" (.relativize root folder) "\" is a file and a folder") {}))))

(defn- make-room
  "Takes away a file or link that is where an entry goes."
  [^Path path]
  (when (Files/isDirectory path ^"[Ljava.nio.file.LinkOption;" no-links)
    (refuse (str "\"" (.getFileName path) "\" is a file and a folder") {}))
  (Files/deleteIfExists path))

(defn- stays-inside?
  "Whether a link in a (real) folder leads to below the root, whatever links are there too: from
  where `..` follows another part only the file system knows the way."
  [^Path root ^Path folder ^String link]
  (let [parts (remove #{"" "."} (str/split link #"/+"))]
    (and (seq link)
         (not (str/starts-with? link "/"))
         (not-any? #{".."} (drop-while #{".."} parts))
         (.startsWith (.normalize (.resolve folder link)) root))))

(defn- write-file [^Path path {:keys [size mode]} in]
  (make-room path)
  (Files/createFile path ^"[Ljava.nio.file.attribute.FileAttribute;" plain)
  (with-open [out (io/output-stream (.toFile path))]
    (copy-bytes in out size))
  (when-not (zero? (bit-and 73 (long mode)))
    (.setExecutable (.toFile path) true false)))

(defn- write-link [^Path root ^Path path {:keys [link name]}]
  (when-not (stays-inside? root
                           (.toRealPath (.getParent path) ^"[Ljava.nio.file.LinkOption;" follow)
                           link)
    (refuse (str "\"" name "\" is a link to outside (" link ")") {:name name :link link}))
  (make-room path)
  (Files/createSymbolicLink path (path-of link)
                            ^"[Ljava.nio.file.attribute.FileAttribute;" plain))

(defn- write-hard-link [^Path root ^Path path {:keys [link name]} options]
  (let [linked (:name (clean-name {:name link :kind \0} options))
        target (.resolve root ^String linked)]
    (folder-inside root (.getParent target))
    (when-not (Files/isRegularFile target ^"[Ljava.nio.file.LinkOption;" no-links)
      (refuse (str "\"" name "\" is a link to what is not in it (" link ")") {:name name}))
    (when-not (= path target)
      (make-room path)
      (Files/createLink path target))))

(defn- unpack-entry [^Path root {:keys [name kind] :as entry} in options]
  (let [path (.resolve root ^String name)]
    (when (= :other kind)
      (refuse (str "\"" name "\" is neither file nor folder nor link") {:name name}))
    (if (or (= :folder kind) (= "" name))
      (folder-inside root path)
      (do (folder-inside root (.getParent path))
          (case kind
            :file     (write-file path entry in)
            :symlink  (write-link root path entry)
            :hardlink (write-hard-link root path entry options))))))

(defn extract
  "Unpacks an archive into a folder, which is made when it is not there. With `choice` only the
  files it chooses. Gives the names of the files that were written. Options: `limits`."
  ([source target] (extract source target nil nil))
  ([source target choice] (extract source target choice nil))
  ([source target choice options]
   (let [folder (path-of target)
         _      (Files/createDirectories folder ^"[Ljava.nio.file.attribute.FileAttribute;" plain)
         root   (.toRealPath folder ^"[Ljava.nio.file.LinkOption;" follow)
         wanted (chooser choice)]
     (reduce-entries source options
                     (fn [names {:keys [name kind] :as entry} in options]
                       (if (if (= :folder kind) (nil? choice) (wanted name))
                         (do (unpack-entry root entry in options)
                             [(if (= :folder kind) names (conj names name)) (= :file kind)])
                         [names false]))
                     []))))

(defn list-files
  "The names of the files in an archive, in its order. Unpacks nothing."
  ([source] (list-files source nil))
  ([source options]
   (reduce-entries source options
                   (fn [names {:keys [name kind]} _ _]
                     [(if (= :folder kind) names (conj names name)) false])
                   [])))

(defn- read-text [{:keys [name size]} in {:keys [max-read]}]
  (when (> (long size) (long max-read))
    (refuse (str "\"" name "\" is larger than " max-read " bytes") {:name name :size size}))
  (let [out (ByteArrayOutputStream.)]
    (copy-bytes in out size)
    (String. (.toByteArray out) "UTF-8")))

(defn- read-chosen [source choice options stop?]
  (let [wanted (chooser choice)]
    (reduce-entries source options
                    (fn [texts {:keys [name kind] :as entry} in options]
                      (if (and (= :file kind) (wanted name))
                        (let [texts (conj texts (read-text entry in options))]
                          [(if stop? (reduced texts) texts) true])
                        [texts false]))
                    [])))

(defn extract+read
  "The text of the first file of an archive that `choice` chooses; nil when there is none."
  ([source choice] (extract+read source choice nil))
  ([source choice options]
   (first (read-chosen source choice options true))))

(defn extract+read-all
  "The texts of all files of an archive that `choice` chooses, in its order."
  ([source choice] (extract+read-all source choice nil))
  ([source choice options]
   (read-chosen source choice options false)))

(defn delete-tree
  "Deletes a folder and what is in it, without following links. What is not there is no error."
  [folder]
  (let [^File file (io/file folder)
        path (.toPath file)]
    (when (Files/isDirectory path ^"[Ljava.nio.file.LinkOption;" no-links)
      (run! delete-tree (.listFiles file)))
    (Files/deleteIfExists path)))
