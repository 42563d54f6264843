(ns monkey.ci.script.tee
  "A writer that keeps what it hands on. For the JVM: babashka has no such proxies."
  (:import (java.io StringWriter Writer)))

(def ^:private most
  "Characters that are kept; all are handed on."
  10000000)

(defn tee
  "A writer that writes to `out` at once, and to `kept` until that has enough."
  ^Writer [^Writer out ^StringWriter kept]
  (let [emit (fn [^String text]
               (locking kept
                 (when (< (.length (.getBuffer kept)) (long most))
                   (.write kept text))
                 (.write out text)
                 (when (.contains text "\n")
                   (.flush out))))]
    (proxy [Writer] []
      (write
        ([x]
         (emit (cond
                 (string? x) x
                 (integer? x) (str (char x))
                 :else (String. ^chars x))))
        ([x off len]
         (emit (if (string? x)
                 (subs x off (+ (long off) (long len)))
                 (String. ^chars x (int off) (int len))))))
      (flush [] (.flush out))
      (close [] nil))))
