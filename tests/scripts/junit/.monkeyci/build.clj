(ns build
  (:require [monkey.ci.api :as m]))

(def report
  (str "<testsuites><testsuite name=\"my.ns\" time=\"1.5\" tests=\"2\" failures=\"1\" errors=\"0\">"
       "<testcase name=\"adds\" classname=\"my.ns\" time=\"0.5\"/>"
       "<testcase name=\"fails\"><failure message=\"1 &lt; 2\" type=\"t\">expected</failure></testcase>"
       "</testsuite></testsuites>"))

[(-> (m/container-job "test" {:image "docker.io/alpine:3.20"
                              :container/env {"REPORT" report}
                              :script ["mkdir -p out && echo \"$REPORT\" > out/junit.xml"
                                       "exit 1"]})
     (m/save-artifacts (m/artifact "report" "out/junit.xml"))
     (assoc :junit {:artifact-id "report" :path "junit.xml"}))
 (-> (m/action-job "action" (fn [ctx]
                              (.mkdirs (java.io.File. ^String (m/in-work ctx "reports")))
                              (spit (m/in-work ctx "reports/TEST-a.xml") "<testsuite name='a'/>")
                              (spit (m/in-work ctx "reports/other.txt") "no XML")))
     (m/save-artifacts (m/artifact "reports" "reports"))
     (assoc :junit {:id "reports" :pattern #"TEST-.*\.xml"}))
 (-> (m/action-job "missing" (constantly m/success))
     (assoc :junit {:artifact-id "nowhere"}))]
