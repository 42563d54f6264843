(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "never" (constantly m/success))
 (fn [_] (throw (ex-info "the moon is not full" {})))]
