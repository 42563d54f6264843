(ns monkey.ci.build.shell
  "Helpers for actions that work with programs and files, as older scripts use them."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [monkey.ci.api :as api]
            [monkey.ci.script.process :as process]))

(defn bash
  "A function that runs a program as `monkey.ci.api/bash` does: the action of a job, or, as it is,
  a job without a name."
  [& words]
  (vary-meta (process/job-action words {}) assoc :job true))

(def home
  "The user's home folder."
  (System/getProperty "user.home"))

(defn- expand-home [path]
  (let [path (str path)]
    (if (or (= "~" path) (str/starts-with? path "~/"))
      (str home (subs path 1))
      path)))

(defn param-to-file
  "Writes the value of a build parameter to a file (`~` is the home folder), readable for nobody
  else. Gives the path, or nil when there is no such parameter."
  [ctx param path]
  (when-let [value (get (api/build-params ctx) param)]
    (let [f (io/file (expand-home path))]
      (io/make-parents f)
      (when (.createNewFile f)
        (.setReadable f false false)
        (.setWritable f false false))
      (.setReadable f true true)
      (.setWritable f true true)
      (spit f value)
      (str f))))

(defn in-work
  "The absolute path of a path that is relative to where the job works."
  [ctx path]
  (api/in-work ctx path))

(def container-work-dir
  "Where the project's files are in a container."
  "/home/monkeyci")
