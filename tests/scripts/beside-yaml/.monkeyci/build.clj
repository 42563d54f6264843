(ns build
  (:require [monkey.ci.api :as m]))

[{:type :action :action (constantly m/success)}
 (m/depends-on (m/action-job "last" (constantly m/success)) ["from-yaml" "job-4"])]
