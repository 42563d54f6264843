(ns build
  (:require [monkey.ci.api :as m]
            [monkey.ci.extensions :as ext]))

(ext/register! {:key    :my/extension
                :before (fn [ctx]
                          (ext/update-job ctx assoc :container/env {"FROM_EXTENSION" "yes"}))
                :after  (fn [ctx]
                          (ext/set-value ctx :my/seen (ext/get-config ctx :my/extension)))})

(ext/register! {:key    :my/broken
                :before (fn [_] (throw (ex-info "broken before" {})))
                :after  (fn [_] (throw (ex-info "broken after" {})))})

(defmethod ext/before-job :my/method [_ ctx]
  (ext/update-job ctx assoc :my/was "before"))

(defmethod ext/after-job :my/method [_ ctx]
  (ext/set-value ctx :by-method (str (get-in ctx [:job :my/was]) " and after")))

[(-> (m/container-job "container" {:image "docker.io/alpine:3.20"
                                   :script ["test \"$FROM_EXTENSION\" = yes"]})
     (assoc :my/extension {:conf 1}))
 (-> (m/action-job "action" (constantly m/success))
     (assoc :my/extension {:conf 2} :my/method true))
 (-> (m/action-job "broken" (constantly m/success))
     (assoc :my/broken true))]
