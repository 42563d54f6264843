(ns build
  (:require [monkey.ci.api :as m]))

[nil
 (fn [ctx] (when (m/tag ctx) (m/action-job "on-tag" (constantly m/success))))
 {:id "no-type" :script ["dropped, since it has no type"]}]
