(ns monkey.ci.api
  "As much of MonkeyCI's functions for scripts as the tests' scripts use."
  (:require [monkey.ci.script.client :as client]))

(defn action-job [id f & [opts]]
  (merge opts {:id id :type :action :action f}))

(defn container-job [id & [opts]]
  (merge opts {:id id :type :container}))

(defn depends-on [job & ids]
  (update job :dependencies (comp vec distinct concat) (flatten ids)))

(defn blocked [job]
  (assoc job :blocked true))

(defn image [job image]
  (assoc job :image image))

(defn script [job lines]
  (assoc job :script lines))

(defn init [job f]
  (assoc job :init f))

(defn artifact [id path]
  {:id id :path path})

(def cache artifact)

;; Lists, which print in round brackets.
(defn save-artifacts [job & artifacts]
  (update job :save-artifacts concat (flatten artifacts)))

(defn restore-artifacts [job & artifacts]
  (update job :restore-artifacts concat (flatten artifacts)))

(defn caches [job & caches]
  (update job :caches concat (flatten caches)))

(def success {:status :success})
(def failure {:status :failure})
(def skipped {:status :skipped})

(defn with-message [result message]
  (assoc result :message message))

(defn in-work [ctx path]
  (str (get-in ctx [:job :work-dir]) "/" path))

(def ^:private params-of
  (memoize (fn [api]
             (into {} (map (juxt :name :value)) (client/call api "GET" "/params")))))

(defn build-params [ctx]
  (params-of (:api ctx)))

(defn get-artifact [ctx artifact]
  (client/restore! (:api ctx) "artifact" (get-in ctx [:job :id]) artifact))
