(ns build
  (:require [monkey.ci.api :as m]))

[(m/action-job "nothing" (constantly nil))
 (m/action-job "text" (constantly "just a text"))
 (m/action-job "number" (constantly 42))
 (m/action-job "map" (constantly {:no-status true}))
 (m/action-job "error" (constantly {:status :error :message "an error of its own"}))
 (m/action-job "skips" (constantly m/skipped))
 (m/depends-on (m/action-job "behind-skipped" (constantly m/failure)) "skips")
 (m/action-job "extra" (constantly {:status :success
                                    :output "its own output"
                                    :custom {:a #{1 2}}
                                    :not-edn [#"regex" inc (Object.)]}))
 (m/action-job "no-such-status" (constantly {:status :failed}))
 (m/action-job "status-of-text" (constantly {:status "success"}))
 (assoc (m/action-job "slow" (fn [_] (deref (promise)))) :timeout 200)
 (assoc (m/action-job "in-time" (fn [_] (println "in time") m/success)) :timeout 60000)
 (-> (m/action-job "forgets" (constantly nil))
     (m/save-artifacts (m/artifact "nowhere" "no/such/file")))
 (m/action-job "printed" (fn [_] (println "printed €")))]
