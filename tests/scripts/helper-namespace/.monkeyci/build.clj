(ns build
  (:require [helpers]
            [steps.greeting :as greeting]))

[(helpers/job "helped")
 (greeting/job "greet")]
