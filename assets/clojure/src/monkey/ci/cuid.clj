(ns monkey.ci.cuid
  "Random ids as MonkeyCI uses them: 24 letters and digits."
  (:import (java.util UUID)))

(def ^:private alphabet
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

(def length
  "Characters of an id."
  24)

(defn- random-chars
  "Up to twenty characters from the random bits of one UUID."
  []
  (let [id   (UUID/randomUUID)
        take-chars (fn [^long bits n]
                     (loop [left (bit-and bits 0x0fffffffffffffff), n n, out []]
                       (if (zero? (long n))
                         out
                         (recur (quot left 62) (dec (long n))
                                (conj out (.charAt ^String alphabet (int (rem left 62))))))))]
    ;; The fixed bits of a UUID are the highest ones of each half, or are cut off here.
    (concat (take-chars (bit-xor (.getMostSignificantBits id)
                                 (bit-shift-left (.getLeastSignificantBits id) 7))
                        8)
            (take-chars (.getLeastSignificantBits id) 8))))

(defn random-cuid
  "A new id."
  []
  (apply str (take length (mapcat identity (repeatedly random-chars)))))

(defn cuid?
  "Whether this is an id."
  [x]
  (boolean (and (string? x) (re-matches #"[A-Za-z0-9]{24}" x))))
