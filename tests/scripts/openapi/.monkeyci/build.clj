(ns build
  (:require [monkey.ci.api :as m]
            [monkey.ci.build.api :as api]))

(defn explore [ctx]
  (let [services (set (map first (api/explore ctx)))
        build    (api/call ctx :get-build)
        {:keys [scopes summary]} (api/explore ctx :get-build)]
    (cond
      (not (every? services [:get-build :get-params :put-result :get-result]))
      (m/with-message m/failure (str "some are missing in " services))

      (not= (m/build-id ctx) (:build-id build))
      (m/with-message m/failure (str "another build: " build))

      (not (and (seq summary) (some #{"build:read"} scopes)))
      (m/with-message m/failure (str "not described: " scopes summary))

      :else
      (try
        (api/call ctx :get-biuld)
        m/failure
        (catch clojure.lang.ExceptionInfo e
          (m/with-message m/success (ex-message e)))))))

[(m/action-job "explore" explore)]
