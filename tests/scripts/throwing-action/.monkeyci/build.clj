(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "throws" (fn [_] (throw (ex-info "Kaboom" {:secret #"not EDN", :fn inc}))))
 (m/depends-on (m/action-job "never" (constantly m/success)) "throws")]
