(ns monkey.ci.ext.junit
  "Loaded when the first job has the key `:junit`: see `monkey.ci.junit`. A script that registers an
  extension of its own for that key is preferred."
  (:require [monkey.ci.extensions :as ext]
            [monkey.ci.junit :as junit]))

(defmethod ext/after-job :junit [_ ctx]
  (junit/with-tests ctx))
