(ns monkey.ci.script.process
  "Runs programs for action jobs, without a shell."
  (:require [clojure.java.io :as io]
            [clojure.string :as str])
  (:import (java.io InputStream Reader StringWriter Writer)))

(defn tokenize
  "The words of a command line. Single and double quotes keep a word together; a backslash takes
  away the meaning of the next character, except in single quotes."
  [line]
  (let [end (count line)]
    (loop [i 0, quote nil, word nil, words []]
      (if (= i end)
        (cond-> words word (conj (str word)))
        (let [c (Character/valueOf (.charAt ^String line i))
              ^StringBuilder open (or word (StringBuilder.))]
          (cond
            (and quote (= c quote)) (recur (inc i) nil open words)
            (and (= \\ c) (not= \' quote) (< (inc i) end)
                 (or (nil? quote) (#{\" \\} (.charAt ^String line (inc i)))))
            (recur (+ i 2) quote (.append open (.charAt ^String line (inc i))) words)
            quote (recur (inc i) quote (.append open c) words)
            (or (= \' c) (= \" c)) (recur (inc i) c open words)
            (Character/isWhitespace c) (recur (inc i) nil nil (cond-> words word (conj (str word))))
            :else (recur (inc i) nil (.append open c) words)))))))

(defn command
  "The command of `bash`: the first word is tokenised, all others are arguments as they are."
  [words]
  (into (tokenize (str (first words))) (map str) (rest words)))

(defn- copy-to
  "Copies what a stream says to a writer and to a buffer, as it comes. Gives the thread."
  ^Thread [^InputStream in ^Writer out ^StringWriter kept]
  (let [copy (fn []
               (with-open [^Reader r (io/reader in)]
                 (let [buffer (char-array 8192)]
                   (loop []
                     (let [n (.read r buffer)]
                       (when (pos? n)
                         (.write kept buffer 0 n)
                         (.write out buffer 0 n)
                         (.flush out)
                         (recur)))))))
        t    (Thread. ^Runnable copy)]
    (.setDaemon t true)
    (.start t)
    t))

(defn- stop [^Process p]
  (doseq [^java.lang.ProcessHandle child (iterator-seq (.iterator (.descendants (.toHandle p))))]
    (.destroy child))
  (.destroy p))

(defn run
  "Runs a command (a list of texts) in the folder `:dir` with `:env` added to the environment. What
  it prints goes to `*out*` and `*err*` as it comes. Gives `{:exit :out :err}`."
  [command {:keys [dir env]}]
  (let [builder (ProcessBuilder. ^java.util.List (vec command))]
    (when dir (.directory builder (io/file dir)))
    (let [vars (.environment builder)]
      (doseq [[k v] env]
        (.put vars (if (keyword? k) (name k) (str k)) (str v))))
    (let [p     (.start builder)
          out   (StringWriter.)
          err   (StringWriter.)
          _     (.close (.getOutputStream p))
          pipes [(copy-to (.getInputStream p) *out* out)
                 (copy-to (.getErrorStream p) *err* err)]]
      (try
        (let [exit (.waitFor p)]
          (doseq [^Thread t pipes] (.join t))
          {:exit exit :out (str out) :err (str err)})
        (catch InterruptedException e
          (stop p)
          (throw e))))))

(defn job-action
  "The action of a job that runs a program in the job's folder: see `monkey.ci.api/bash`."
  [words {:keys [env work-dir]}]
  (fn [ctx]
    (let [command (command words)
          job     (:job ctx)
          dir     (or work-dir (:work-dir job) (get-in ctx [:build :checkout-dir]))]
      (try
        (let [{:keys [exit out err]} (run command {:dir dir :env (merge (:env job) env)})]
          (if (zero? (long exit))
            {:status :success :output out}
            {:status    :failure
             :message   (str (first command) " ended with exit code " exit)
             :exit      exit
             :output    out
             :error     err
             :exception (ex-info (str/join " " command) {:exit exit})}))
        (catch java.io.IOException e
          {:status    :failure
           :message   (str "Cannot run " (first command) ": " (ex-message e))
           :exception e})))))
