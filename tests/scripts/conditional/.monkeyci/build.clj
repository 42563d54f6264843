(ns build
  (:require [monkey.ci.api :as m]))

(defn on-feature [ctx]
  (when (= "feature/x" (m/branch ctx))
    (m/action-job "on-feature" (fn [ctx] (m/with-message m/success (m/branch ctx))))))

(defn on-tag [ctx]
  (when (m/tag ctx)
    (m/action-job "on-tag" (constantly m/failure))))

(defn by-hand [ctx]
  (when (and (m/cli? ctx) (not (m/api-trigger? ctx)))
    (m/action-job "by-hand" (constantly m/success))))

(def when-removed
  (fn [ctx]
    (when (m/removed? ctx #"no/such/file\\.never")
      (m/action-job "when-removed" (constantly m/failure)))))

[on-feature
 on-tag
 by-hand
 when-removed
 ;; Setters take such functions too.
 (m/depends-on (fn [_] (m/action-job "changed-by-setter" (constantly m/success))) "by-hand")
 nil]
