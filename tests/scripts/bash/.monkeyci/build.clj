(ns build
  (:require [monkey.ci.api :as m]))

[(m/bash "words" "echo one" "two" "three")
 (m/bash "quoted" "echo 'a  b' c")
 (m/bash "env" {:env {"ANSWER" "yes"}} "printenv" "ANSWER")
 (m/shell "fails" "sh" "-c" "echo out; echo err >&2; exit 4")]
