(ns monkey.ci.build.v2
  "The older name of `monkey.ci.api`: everything of it, and `cpus` and `memory`."
  (:require [monkey.ci.api]
            [monkey.ci.build.core :as core]))

(doseq [[sym v] (ns-publics 'monkey.ci.api)]
  (intern 'monkey.ci.build.v2 (with-meta sym (select-keys (meta v) [:doc :arglists])) @v))

(defn cpus
  "Sets or gives the processors of a container job."
  ([job] (:cpus job))
  ([job n] (core/update-job job #(assoc % :cpus n))))

(defn memory
  "Sets or gives the memory of a container job, in GB."
  ([job] (:memory job))
  ([job gb] (core/update-job job #(assoc % :memory gb))))
