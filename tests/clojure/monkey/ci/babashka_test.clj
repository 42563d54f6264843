(ns monkey.ci.babashka-test
  "That the library uses nothing that babashka does not offer: `babashka.edn` says what it does.

  The sources are read, not run: every symbol, also those of type hints, that stands for a Java
  class or a name of `clojure.core` is looked up."
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.set :as set]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]])
  (:import (java.io File PushbackReader StringReader)))

(def ^:private offered
  (edn/read-string (slurp (io/file "tests/clojure/babashka.edn"))))

(def ^:private for-the-jvm
  "What only the Java virtual machine loads."
  '#{monkey.ci.script.main monkey.ci.script.tee})

;;; Reading

(defn- read-all
  "The forms of a source, read as its namespace reads them."
  [text]
  (with-open [in (PushbackReader. (StringReader. text))]
    (let [ns-form (read in)]
      (when-not (find-ns (second ns-form))
        (binding [*ns* *ns*]
          (eval ns-form)))
      (binding [*ns* (the-ns (second ns-form))]
        (into [ns-form] (take-while (partial not= ::end)) (repeatedly #(read {:eof ::end} in)))))))

(defn- symbols
  "All symbols of a form that is no quoted one, those of type hints included, as often as they stand
  there, heads of calls as `[:head symbol]`."
  [form]
  (concat
   (when (instance? clojure.lang.IObj form)
     (let [tag (:tag (meta form))] (when (symbol? tag) [tag])))
   (cond
     (symbol? form) [form]
     (map? form) (mapcat symbols (mapcat identity form))
     (and (seq? form) (= 'quote (first form))) nil
     (coll? form) (mapcat symbols form))))

(defn- class-named [sym]
  (when (re-find #"[.]" (str sym))
    (try (Class/forName (str sym) false (clojure.lang.RT/baseLoader)) (catch ClassNotFoundException _ nil))))

(defn- class-of
  "The class that a symbol names in a namespace, and how: `:name` or `:member`; nil when it is none."
  [the-ns sym]
  (let [text  (str sym)
        owner (some-> (namespace sym) symbol)
        found #(let [x (get (ns-map the-ns) %)] (if (class? x) x (class-named %)))
        [how ^Class c] (cond
                         owner (when-not (get (ns-aliases the-ns) owner) [:member (found owner)])
                         (re-find #"[^.]\.$" text) [:make (found (symbol (subs text 0 (dec (count text)))))]
                         :else [:name (found sym)])]
    (when c [how (symbol (.getName c))])))

(defn- uses
  "What a source uses: `{:classes #{[how name]} :namespaces #{} :core #{}}`."
  [text]
  (let [[ns-form & forms] (read-all text)
        ns-name  (second ns-form)
        the-ns   (find-ns ns-name)
        of-kind  (fn [kind] (mapcat rest (filter #(and (seq? %) (= kind (first %))) ns-form)))
        all      (set (mapcat symbols forms))
        imported (for [spec (of-kind :import)
                       c    (if (symbol? spec) [spec] (map #(symbol (str (first spec) "." %)) (rest spec)))]
                   [:name c])]
    {:classes    (into (set imported) (keep #(class-of the-ns %)) all)
     :namespaces (set (map #(if (symbol? %) % (first %)) (of-kind :require)))
     :core       (set (for [sym all
                            :let [v (when-not (namespace sym) (get (ns-map the-ns) sym))]
                            :when (and (var? v) (= 'clojure.core (symbol (namespace (symbol v)))))]
                        sym))}))

;;; Comparing

(defn- offers? [[how class-name]]
  (let [{:keys [classes some-members constructors names protocols]} offered]
    (contains? (case how
                 :member (set/union classes some-members)
                 :make   (set/union classes some-members constructors)
                 :name   (set/union classes some-members constructors names protocols))
               class-name)))

(defn- lacking
  "What of these uses babashka does not offer."
  [{:keys [classes namespaces core]}]
  (set (concat (map second (remove offers? classes))
               (remove #(or (contains? (:namespaces offered) %)
                            (and (str/starts-with? (str %) "monkey.ci.") (not (for-the-jvm %))))
                       namespaces)
               (filter (:missing-from-core offered) core))))

(defn- sources []
  (for [^File file (sort (file-seq (io/file "assets/clojure/src")))
        :when (str/ends-with? (.getName file) ".clj")
        :let [text (slurp file)]
        :when (not (for-the-jvm (second (edn/read-string {:default tagged-literal} text))))]
    [(.getPath file) text]))

(deftest the-library-uses-what-babashka-offers
  (let [all (sources)]
    (is (< 20 (count all)))
    (doseq [[path text] all]
      (testing path
        (is (= #{} (lacking (uses text))))))))

(deftest what-is-looked-at
  (let [seen (apply merge-with into (map (comp uses second) (sources)))]
    (testing "type hints, static members, constructors, calls and imports are seen"
      (is (set/subset? '#{[:name java.nio.channels.SocketChannel]
                          [:member java.nio.channels.SocketChannel]
                          [:make java.io.EOFException]
                          [:name java.util.Map]
                          [:name clojure.lang.ExceptionInfo]
                          [:name java.lang.Runnable]}
                       (:classes seen))))
    (is (contains? (:namespaces seen) 'clojure.java.io))
    (is (contains? (:core seen) 'requiring-resolve))))

(deftest what-is-lacking-is-told
  (is (= '#{java.net.SocketAddress clojure.lang.Atom java.util.Currency java.util.Timer clojure.xml
            monkey.ci.script.tee definterface java.util.concurrent.Phaser}
         (lacking (uses (str "(ns monkey.ci.example-of-lacks
                                (:require [clojure.xml :as xml] [monkey.ci.script.tee])
                                (:import (java.net SocketAddress) (java.util Currency)))"
                             "(defn f [^java.util.Timer x] (java.util.concurrent.Phaser.) (definterface I))"
                             "(clojure.lang.Atom. 1) 'java.util.Formatter"))))))
