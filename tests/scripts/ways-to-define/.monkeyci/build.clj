(ns build
  (:require [monkey.ci.api :as m]
            [monkey.ci.build.core :as core]))

(core/defjob by-macro [_]
  (println "defined by a macro"))

(defn by-mark [_]
  (m/with-message m/success "marked"))

(def by-var
  (m/action-job "by-var" (constantly m/success)))

(defn by-function [_]
  {:id "by-function" :type :action :action (constantly nil)})

[by-macro
 (core/as-job by-mark)
 (core/as-job (fn [_] m/success) "named")
 #'by-var
 by-function
 {:id "by-map" :type :action :action (fn [_] nil)}
 [(m/action-job "nested-1" (constantly m/success))
  (for [n [2]]
    (m/action-job (str "nested-" n) (constantly m/success)))]
 ;; The ninth job, without an id.
 {:type :action :action (constantly m/success)}]
