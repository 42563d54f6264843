(ns monkey.ci.surface-test
  "Every public function of the library, by name: what it is for, seen to be so. The end-to-end tests
  run this namespace inside a build on every host, so it keeps to what all of them have, and to
  one file."
  (:require [clojure.java.io :as io]
            [clojure.set :as set]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [monkey.ci.api :as m]
            [monkey.ci.build.api :as api]
            [monkey.ci.build.archive :as archive]
            [monkey.ci.build.client :as client]
            [monkey.ci.build.container :as bc]
            [monkey.ci.build.core :as c]
            [monkey.ci.build.schema :as schema]
            [monkey.ci.build.shell :as sh]
            [monkey.ci.build.v2 :as v2]
            [monkey.ci.containers :as con]
            [monkey.ci.cuid :as cuid]
            [monkey.ci.ext.junit]
            [monkey.ci.extensions :as e]
            [monkey.ci.jobs :as j]
            [monkey.ci.junit :as junit]
            [monkey.ci.test :as mt]
            [monkey.ci.time :as t]
            [monkey.ci.xml :as xml])
  (:import (java.io ByteArrayInputStream ByteArrayOutputStream File)
           (java.util.zip GZIPOutputStream)))

;;; What the checks are about

(defn- edn [value]
  {:status 200 :headers {"content-type" "application/edn"} :body (.getBytes (pr-str value) "UTF-8")})

(def ^:private stored (atom {}))

(defn- path-of [{:keys [path]}]
  (if (string? path) (vec (remove str/blank? (str/split path #"/"))) (vec path)))

(declare tgz)

(defn- runner
  "Answers as a runner would."
  [{:keys [method query body] :as req}]
  (let [[service a b] (path-of req)
        writes?       (contains? #{:put :post} method)]
    (case (str service)
      "params"       (edn [{:name "user" :value "me"}])
      "build"        (edn {:build-id "b-1" :previous nil})
      "repo"         (edn {:name "app" :labels []})
      "org"          (edn {:id "acme"})
      "secret"       (if (= "npm" a) (edn {:name "npm" :value "s3cret"}) {:status 404 :headers {} :body nil})
      "result"       (cond
                       writes? (do (swap! stored assoc a body) (edn {:name a}))
                       a       (if-let [v (get @stored a)]
                                 {:status 200 :headers {"content-type" "application/edn"}
                                  :body (if (string? v) (.getBytes ^String v "UTF-8") v)}
                                 {:status 204 :headers {} :body nil})
                       :else   (edn (mapv #(hash-map :name %) (keys @stored))))
      "artifact"     (cond
                       (= "absent" (or b a)) {:status 204 :headers {} :body nil}
                       b     (edn {:id b :path (:path query)})
                       :else {:status 200 :headers {} :body (tgz {"a.xml" "<a/>" "b.txt" "b"})})
      "openapi.json" (edn {"openapi" "3.1.0"
                           "paths" {"/greet/{name}"
                                    {"get" {"operationId" "greet"
                                            "summary" "Greets"
                                            "parameters" [{"name" "name" "in" "path" "required" true
                                                           "schema" {"type" "string"}}]
                                            "responses" {"200" {"description" "A greeting"
                                                                "content" {"application/edn" {}}}}
                                            "security" [{"token" ["greetings:read"]}]}}}})
      "greet"        (edn {:hello a})
      {:status 404 :headers {} :body nil})))

(def ^:private ctx
  {:build {:org-id "o" :repo-id "r" :build-id "b-1" :source :cli :checkout-dir "/checkout"
           :git {:ref "refs/heads/main" :main-branch "main"}
           :changes {:added #{"src/new.clj"} :modified #{"README.md"} :removed #{"old.txt"}}}
   :job   {:id "me" :work-dir "/checkout/sub"}
   :archs [:amd]
   :api   {:client runner
           :jobs   {"db" {:id "db" :status :running :result {:status :success}
                          :agent {:address "10.0.0.1" :ports {20000 5432}}}}
           :memo   (atom {})}})

(defn- on-tag [ctx]
  (mt/with-git-ref ctx "refs/tags/v1"))

(def ^:private action (m/action-job "a" (constantly m/success)))
(def ^:private container (m/container-job "c"))

(defn- octal [^long n width]
  (let [digits (Long/toOctalString n)]
    (str (apply str (repeat (- width (count digits) 1) "0")) digits "\0")))

(defn- tar-entry ^bytes [^String file ^String text]
  (let [block (byte-array 512)
        put   (fn [^long at ^String s]
                (dotimes [i (count s)] (aset-byte block (+ at i) (byte (int (.charAt s i))))))]
    (put 0 file) (put 100 (octal 0644 8)) (put 108 (octal 0 8)) (put 116 (octal 0 8))
    (put 124 (octal (count text) 12)) (put 136 (octal 0 12)) (put 148 "        ") (put 156 "0")
    (put 257 "ustar\u000000")
    (put 148 (octal (reduce + (map #(bit-and 0xff (long %)) block)) 7))
    (let [out (ByteArrayOutputStream.)
          bs  (.getBytes text "UTF-8")]
      (.write out block 0 512)
      (.write out bs 0 (alength bs))
      (.write out (byte-array (mod (- (alength bs)) 512)) 0 (int (mod (- (alength bs)) 512)))
      (.toByteArray out))))

(defn- tgz ^bytes [files]
  (let [out (ByteArrayOutputStream.)]
    (with-open [gz (GZIPOutputStream. out)]
      (doseq [[file text] files]
        (.write gz (tar-entry file text)))
      (.write gz (byte-array 1024)))
    (.toByteArray out)))

(defn- archive-stream []
  (ByteArrayInputStream. (tgz {"a.xml" "<a/>" "b.txt" "b"})))

(defmacro ^:private throws? [& body]
  `(try ~@body false (catch Exception _# true)))

(defn- in-folder
  "What `f` gives for a new folder."
  [f]
  (let [dir (mt/temporary-dir)]
    (try (f dir) (finally (archive/delete-tree dir)))))

(c/defjob by-macro "With a text." [_] m/success)

(def ^:private junit-file
  "<testsuite name=\"s\" tests=\"1\"><testcase classname=\"c\" name=\"t\"/></testsuite>")

(defmacro ^:private checked
  "A map of the functions' names in a namespace to functions that check them."
  [ns-name & pairs]
  (into {} (for [[n form] (partition 2 pairs)]
             [`(quote ~(symbol (str ns-name) (str n))) `(fn [] ~form)])))

(def ^:private api-checks
  (checked monkey.ci.api
    action-job     (= {:id "a" :type :action :action identity :x 1} (m/action-job "a" identity {:x 1}))
    container-job  (= {:id "c" :type :container :image "i"} (m/container-job "c" {:image "i"}))
    action-job?    (and (m/action-job? action) (not (m/action-job? container)))
    container-job? (and (m/container-job? container) (not (m/container-job? action)))
    job-id         (= "a" (m/job-id action))
    dependencies   (= ["x"] (m/dependencies (m/depends-on action "x")))
    depends-on     (and (= ["x" "y"] (:dependencies (m/depends-on action "x" ["y" ["x"]])))
                        (= ["x"] (:dependencies ((m/depends-on (constantly action) "x") ctx))))
    image          (= "i" (m/image (m/image container "i")))
    script         (= ["ls"] (m/script (m/script container ["ls"])))
    expose         (= [80] (m/expose (m/expose container [80])))
    init           (= identity (m/init (m/init container identity)))
    work-dir       (= "d" (m/work-dir (m/work-dir action "d")))
    size           (= 2 (m/size (m/size container 2)))
    env            (and (= {"A" "1"} (:env (m/env action {"A" "1"})))
                        (= {"A" "1"} (:container/env (m/env container {"A" "1"})))
                        (= {"A" "1"} (m/env (m/env container {"A" "1"}))))
    blocked        (true? (:blocked (m/blocked action)))
    unblocked      (= action (m/unblocked (m/blocked action)))
    blocked?       (and (m/blocked? (m/blocked action)) (not (m/blocked? action)))
    artifact       (= {:id "x" :path "p"} (m/artifact "x" "p"))
    cache          (= {:id "x" :path "p"} (m/cache "x" "p"))
    dir-artifact   (= ["out" "."] (map (comp :path m/dir-artifact #(m/artifact "x" %)) ["out/f.xml" "f.xml"]))
    save-artifacts (= [{:id "x" :path "p"} {:id "y" :path "q"}]
                      (m/save-artifacts (m/save-artifacts action (m/artifact "x" "p") [(m/artifact "y" "q")])))
    restore-artifacts (= [{:id "x" :path "p"}]
                         (m/restore-artifacts (m/restore-artifacts action [(m/artifact "x" "p")])))
    caches         (= [{:id "x" :path "p"}] (m/caches (m/caches action (m/cache "x" "p"))))
    restore-artifact (= ["p" nil] (map #(m/restore-artifact ctx (m/artifact % "p")) ["x" "absent"]))
    get-artifact   (= ["p" nil] (map #(m/get-artifact ctx (m/artifact % "p")) ["x" "absent"]))
    success        (= {:status :success} m/success)
    failure        (= {:status :failure} m/failure)
    error          (= m/failure m/error)
    failed         (= m/failure m/failed)
    skipped        (= {:status :skipped} m/skipped)
    with-message   (= {:status :failure :message "why"} (m/with-message m/failure "why"))
    build-id       (= "b-1" (m/build-id ctx))
    checkout-dir   (= "/checkout" (m/checkout-dir ctx))
    in-work        (and (= "/checkout/sub/x" (m/in-work ctx "x")) (throws? (m/in-work ctx "/x")))
    git-ref        (= "refs/heads/main" (m/git-ref ctx))
    ref-regex      (= ["ma" nil] (map #(m/ref-regex ctx %) [#"refs/heads/(ma).*" #"heads/(.*)"]))
    branch         (= ["main" nil] (map m/branch [ctx (on-tag ctx)]))
    tag            (= [nil "v1"] (map m/tag [ctx (on-tag ctx)]))
    main-branch    (= "main" (m/main-branch ctx))
    main-branch?   (= [true false] (map m/main-branch? [ctx (on-tag ctx)]))
    files-added    (= #{"src/new.clj"} (m/files-added ctx))
    files-modified (= #{"README.md"} (m/files-modified ctx))
    files-removed  (= #{"old.txt"} (m/files-removed ctx))
    added?         (and (m/added? ctx #"src/.*") (not (m/added? ctx #"src")) ((m/added? "src/new.clj") ctx))
    modified?      (and (m/modified? ctx "README.md") (not (m/modified? ctx "old.txt")))
    removed?       (m/removed? ctx #(str/ends-with? % ".txt"))
    touched?       (every? #(m/touched? ctx %) ["src/new.clj" "README.md" "old.txt"])
    source         (= :cli (m/source ctx))
    api-trigger?   (= [false true] (map m/api-trigger? [ctx (mt/set-trigger-source ctx :api)]))
    cli?           (= [true false] (map m/cli? [ctx (mt/set-trigger-source ctx :api)]))
    manual?        (= [true true false] (map #(m/manual? (mt/set-trigger-source ctx %)) [:cli :api :github-webhook]))
    archs          (= [:amd] (m/archs ctx))
    build-params   (= {"user" "me"} (m/build-params ctx))
    params         (= {"user" "me"} (m/params ctx))
    secret         (= ["s3cret" nil] (map #(m/secret ctx %) ["npm" "other"]))
    build-info     (= "b-1" (:build-id (m/build-info ctx)))
    repo-info      (= "app" (:name (m/repo-info ctx)))
    org-info       (= "acme" (:id (m/org-info ctx)))
    save-result    (= {:name "coverage"} (m/save-result ctx "coverage" {:lines 80}))
    result         (do (m/save-result ctx "kept" {:lines 80})
                       (= [{:lines 80} nil] (map #(m/result ctx % {:of :this}) ["kept" "absent"])))
    results        (do (m/save-result ctx "listed" 1)
                       (some #{{:name "listed"}} (m/results ctx)))
    get-job        (= ["db" nil] (map #(:id (m/get-job ctx %)) [:db "absent"]))
    job-result     (= {:status :success} (m/job-result (m/get-job ctx "db")))
    get-job-exposed-addr (= [{:address "10.0.0.1" :port 20000} nil]
                            (map #(m/get-job-exposed-addr ctx "db" %) [5432 80]))
    bash           (let [run #(mt/execute-job % {:build {:checkout-dir (System/getProperty "java.io.tmpdir")}})]
                     (and (str/includes? (:output (run (m/bash "b" "echo one" "two three"))) "one two three")
                          (m/action-job? (m/bash "b" {:env {"A" "1"}} "true"))
                          (= :failure (:status (run (m/bash "b" "false"))))))
    shell          (= :success (:status (mt/execute-job (m/shell "b" "true")
                                                        {:build {:checkout-dir "."}})))))

(def ^:private core-checks
  (checked monkey.ci.build.core
    status            (= {:status :success} (c/status :success))
    success           (= {:status :success} c/success)
    failure           (= {:status :failure} c/failure)
    skipped           (= {:status :skipped} c/skipped)
    status?           (= [true false false] (map c/status? [c/success {} nil]))
    success?          (= [true true false] (map c/success? [c/success nil c/failure]))
    failed?           (= [false true] (map c/failed? [c/success c/failure]))
    skipped?          (= [true false] (map c/skipped? [c/skipped c/success]))
    with-message      (= "m" (:message (c/with-message c/failure "m")))
    add-warning       (= [{:message "w"}] (:warnings (c/add-warning c/success {:message "w"})))
    warnings          (= [{:message "w"}] (c/warnings (c/add-warning c/success {:message "w"})))
    action-job        (= :action (:type (c/action-job "a" identity)))
    container-job     (= :container (:type (c/container-job "c" {})))
    as-job            (= "x" (:id (c/fn->job (c/as-job (fn [_]) "x"))))
    fn->job           (= ["by-macro" :action] ((juxt :id :type) (c/fn->job by-macro)))
    job-fn?           (and (c/job-fn? by-macro) (not (c/job-fn? identity)))
    defjob            (and (= "With a text." (:doc (meta #'by-macro))) (= m/success (by-macro {})))
    update-job        (and (= {:x 1} (c/update-job {} #(assoc % :x 1)))
                           (= {:x 1} ((c/update-job (constantly {}) #(assoc % :x 1)) ctx))
                           (nil? (c/update-job nil identity)))
    add-to            (= [1 2 3] (:k (c/add-to {:k [1]} :k [[2] nil 3])))
    depends-on        (= ["x"] (:dependencies (c/depends-on action "x" "x")))
    save-artifacts    (= [{:id "x"}] (c/save-artifacts (c/save-artifacts action {:id "x"})))
    restore-artifacts (= [{:id "x"}] (c/restore-artifacts (c/restore-artifacts action {:id "x"})))
    work-dir          (= "/checkout/sub" (c/work-dir ctx))
    job-schema        (= [:v1 :v2] (map c/job-schema [{} {:schema :v2}]))
    build-id          (= "b-1" (c/build-id ctx))
    trigger-src       (= :cli (c/trigger-src ctx))
    git-ref           (= "refs/heads/main" (c/git-ref ctx))
    ref-regex         (= "main" (c/ref-regex ctx #"refs/heads/(.*)"))
    branch            (= "main" (c/branch ctx))
    tag               (= "v1" (c/tag (on-tag ctx)))
    main-branch       (= "main" (c/main-branch ctx))
    main-branch?      (and (c/main-branch? ctx) (c/main-branch? {}))
    file-changes      (= #{:added :modified :removed} (set (keys (c/file-changes ctx))))
    files-added       (= #{"src/new.clj"} (c/files-added ctx))
    files-modified    (= #{"README.md"} (c/files-modified ctx))
    files-removed     (= #{"old.txt"} (c/files-removed ctx))
    ->pred            (and ((c/->pred "a") "a") ((c/->pred #"a.") "ab") (not ((c/->pred #"a.") "abc"))
                           ((c/->pred some?) "x") (throws? (c/->pred 7)))
    added?            (c/added? ctx "src/new.clj")
    modified?         (c/modified? ctx "README.md")
    removed?          (c/removed? ctx "old.txt")
    touched?          (c/touched? ctx "old.txt")))

(def ^:private older-checks
  (merge
   (checked monkey.ci.build.v2
     cpus   (= 2 (v2/cpus (v2/cpus container 2)))
     memory (= 4 (v2/memory (v2/memory container 4))))
   (checked monkey.ci.build.container
     image (= "i" (:container/image (bc/image container "i"))))
   (checked monkey.ci.build.shell
     bash               (c/job-fn? (sh/bash "true"))
     home               (= (System/getProperty "user.home") sh/home)
     param-to-file      (in-folder #(let [file (str % "/deep/user")]
                                      (and (= file (sh/param-to-file ctx "user" file))
                                           (= "me" (slurp file))
                                           (nil? (sh/param-to-file ctx "absent" file)))))
     in-work            (= "/checkout/sub/x" (sh/in-work ctx "x"))
     container-work-dir (= "/home/monkeyci" sh/container-work-dir))))

(def ^:private job-checks
  (merge
   (checked monkey.ci.jobs
     id->str           (= ["a" "n/b" nil] (map j/id->str ["a" :n/b nil]))
     job-id            (= "a" (j/job-id action))
     action-job?       (j/action-job? action)
     container-job?    (j/container-job? container)
     job?              (= [true true false false] (map j/job? [action container {} nil]))
     deps              (= ["x"] (j/deps (m/depends-on action "x")))
     labels            (= {"a" "b"} (j/labels {:labels {"a" "b"}}))
     save-artifacts    (= [1] (j/save-artifacts {:save-artifacts [1]}))
     restore-artifacts (= [1] (j/restore-artifacts {:restore-artifacts [1]}))
     caches            (= [1] (j/caches {:caches [1]}))
     script            (= ["ls"] (j/script {:script ["ls"]}))
     work-dir          (= "d" (j/work-dir {:work-dir "d"}))
     timeout           (= 1000 (j/timeout {:timeout 1000}))
     schema            (= :v1 (j/schema {}))
     blocked?          (= [true false] (map j/blocked? [{:blocked true} {}]))
     arch              (= [:arm nil] (map j/arch [{:arch "ARM"} {}]))
     size->cpus        (= 2 (j/size->cpus 2))
     size->mem         (= 4 (j/size->mem 2))
     cpus              (= [3 1 nil] (map j/cpus [{:size 3 :cpus 1} {:cpus 1} {}]))
     memory            (= [6 1 nil] (map j/memory [{:size 3 :memory 1} {:memory 1} {}]))
     status            (= :queued (j/status {:status :queued}))
     result            (= 1 (j/result {:result 1}))
     pending?          (= [true true false] (map j/pending? [{} {:status :pending} {:status :queued}]))
     active?           (= [true false] (map j/active? [{:status :running} {:status :success}]))
     success?          (= [true false] (map j/success? [{:status :success} {}]))
     failed?           (= [true true false] (map j/failed? [{:status :failure} {:status :error} {}]))
     skipped?          (= [true false] (map j/skipped? [{:status :skipped} {}]))
     ended?            (= [true false false] (map j/ended? [{:status :success} {:status :blocked} {}])))
   (checked monkey.ci.containers
     image      (= ["a" "b"] (map con/image [{:container/image "a" :image "b"} {:image "b"}]))
     env        (= {} (con/env {:container/env {}}))
     cmd        (= ["c"] (con/cmd {:container/cmd ["c"]}))
     args       (= ["c"] (con/args {:container/args ["c"]}))
     entrypoint (= ["c"] (con/entrypoint {:container/entrypoint ["c"]}))
     mounts     (= [["a" "b"]] (con/mounts {:container/mounts [["a" "b"]]}))
     platform   (= "linux/arm64" (con/platform {:container/platform "linux/arm64"})))
   (checked monkey.ci.cuid
     length      (= 24 cuid/length)
     random-cuid (apply distinct? (repeatedly 100 cuid/random-cuid))
     cuid?       (= [true false false] (map cuid/cuid? [(cuid/random-cuid) "short" nil])))
   (checked monkey.ci.time
     now         (< 1700000000000 (t/now))
     seconds->ms (= 2000 (t/seconds->ms 2))
     minutes->ms (= 120000 (t/minutes->ms 2))
     hours->ms   (= 7200000 (t/hours->ms 2)))))

(def ^:private extension-checks
  (merge
   (checked monkey.ci.extensions
     before-job  (do (defmethod e/before-job ::a [_ ctx] (e/update-job ctx assoc :seen true))
                     (try (true? (get-in (e/apply-extensions-before {:job {::a 1}}) [:job :seen]))
                          (finally (remove-method e/before-job ::a))))
     after-job   (do (defmethod e/after-job ::a [_ ctx] (e/set-value ctx ::a 2))
                     (try (= 2 (e/get-value (e/apply-extensions-after {:job {::a 1}}) ::a))
                          (finally (remove-method e/after-job ::a))))
     register!   (e/with-extensions
                   (e/register! {:key ::b :after #(e/set-value % ::b 3)})
                   (and (= 3 (e/get-value (e/apply-extensions-after {:job {::b 1}}) ::b))
                        (throws? (e/register! {}))))
     registered  (e/with-extensions
                   (e/register! {:key ::b})
                   (= #{::b} (set (keys @e/registered))))
     with-extensions (let [before @e/registered]
                       (e/with-extensions (e/register! {:key ::c}))
                       (= before @e/registered))
     get-config  (= 1 (e/get-config {:job {::a 1}} ::a))
     update-job  (= {:job {:x 1}} (e/update-job {:job {}} assoc :x 1))
     set-value   (= {:job {:result {::a 1}}} (e/set-value {} ::a 1))
     get-value   (= 1 (e/get-value {:job {:result {::a 1}}} ::a))
     apply-extensions-before (= {:job {:id "x"}} (e/apply-extensions-before {:job {:id "x"}}))
     apply-extensions-after  (e/with-extensions
                               (e/register! {:key ::d :after (fn [_] (throw (ex-info "no" {})))})
                               (= {:job {::d 1}}
                                  (binding [*err* (java.io.StringWriter.)]
                                    (e/apply-extensions-after {:job {::d 1}}))))
     applies?    (= [true false] (map e/applies? [{:junit {}} {:id "x"}])))
   (checked monkey.ci.junit
     parse      (= [["s" ["t"]]] (map (juxt :name #(map :test-case (:test-cases %))) (junit/parse junit-file)))
     collect    (in-folder #(do (spit (str % "/r.xml") junit-file)
                                (= ["s"] (map :name (junit/collect % {:path "r.xml"})))))
     with-tests (some? (get-in (junit/with-tests (assoc-in ctx [:job :junit] {:artifact-id "absent"}))
                               [:job :result :warnings]))
     register!  (e/with-extensions (junit/register!) (contains? @e/registered :junit)))
   (checked monkey.ci.xml
     parse (throws? (xml/parse "<a" (fn [state & _] state) nil)))))

(def ^:private service-checks
  (merge
   (checked monkey.ci.build.api
     explore           (and (= [:greet] (map first (api/explore ctx)))
                            (= ["greetings:read"] (vec (:scopes (api/explore ctx :greet)))))
     call              (and (= {:hello "x"} (api/call ctx :greet {:name "x"}))
                            (throws? (api/call ctx :greet {}))
                            (throws? (api/call ctx :unknown)))
     document          (contains? (api/document ctx) "paths")
     refresh!          (do (api/refresh! ctx) (contains? (api/document ctx) "paths"))
     request-for       (= ["greet" "x"] (path-of (api/request-for ctx :greet {:name "x"})))
     response-for      (= 200 (:status (api/response-for ctx :greet {:name "x"})))
     use-context!      (try (api/use-context! ctx) (= [:greet] (map first (api/explore)))
                            (finally (api/use-context! nil)))
     build-params      (= {"user" "me"} (api/build-params ctx))
     download-artifact (= ["a.xml" "b.txt"] (sort (archive/list-files (api/download-artifact ctx "x")))))
   (checked monkey.ci.build.client
     client-of (fn? (client/client-of ctx))
     request   (= 200 (:status (client/request ctx {:method :get :path ["greet" "x"]})))
     read-body (= {:a 1} (client/read-body (edn {:a 1})))
     complaint (str/includes? (str (client/complaint {:status 403 :headers {"content-type" "application/edn"}
                                                      :body (.getBytes "{:message \"no\"}")}))
                              "no"))
   (checked monkey.ci.build.schema
     describe    (string? (schema/describe {} {"type" "integer"}))
     problem     (and (nil? (schema/problem {} {"type" "integer"} 1))
                      (some? (schema/problem {} {"type" "integer"} "x")))
     resolve-ref (= {"type" "integer"} (schema/resolve-ref {"a" {"type" "integer"}} {"$ref" "#/a"}))
     text-of     (= "a" (schema/text-of :a)))
   (checked monkey.ci.build.archive
     extract          (in-folder #(do (archive/extract (archive-stream) %) (= "b" (slurp (str % "/b.txt")))))
     list-files       (= ["a.xml" "b.txt"] (sort (archive/list-files (archive-stream))))
     extract+read     (= "<a/>" (archive/extract+read (archive-stream) #".*\.xml"))
     extract+read-all (= 2 (count (archive/extract+read-all (archive-stream) #".*")))
     limits           (every? pos? (filter number? (vals archive/limits)))
     delete-tree      (let [dir (mt/temporary-dir)]
                        (spit (str dir "/x") "x")
                        (archive/delete-tree dir)
                        (not (.exists (io/file dir)))))))

(def ^:private test-checks
  (checked monkey.ci.test
    test-ctx              (= "main" (m/main-branch mt/test-ctx))
    with-git-ref          (= "x" (m/branch (mt/with-git-ref mt/test-ctx "refs/heads/x")))
    set-main-branch       (= "x" (m/main-branch (mt/set-main-branch mt/test-ctx "x")))
    with-build-id         (= "x" (m/build-id (mt/with-build-id mt/test-ctx "x")))
    with-archs            (= [:arm] (m/archs (mt/with-archs mt/test-ctx [:arm])))
    set-trigger-source    (m/cli? (mt/set-trigger-source mt/test-ctx :cli))
    set-changes           (= #{"x"} (m/files-added (mt/set-changes mt/test-ctx {:added #{"x"}})))
    update-changes        (= #{"x"} (m/files-added (mt/update-changes mt/test-ctx assoc :added #{"x"})))
    with-changes          (= #{"x"} (m/files-removed (mt/with-changes mt/test-ctx (mt/removed "x"))))
    added                 (= {:added #{"x" "y"}} (mt/added "x" ["y"]))
    modified              (= {:modified #{"x"}} (mt/modified "x"))
    removed               (= {:removed #{"x"}} (mt/removed "x"))
    checkout-dir          (= "/d" (mt/checkout-dir (mt/with-checkout-dir mt/test-ctx "/d")))
    with-checkout-dir     (= "/d" (m/checkout-dir (mt/with-checkout-dir mt/test-ctx "/d")))
    with-job-dir          (= "/j/x" (m/in-work (mt/with-job-dir mt/test-ctx "/j") "x"))
    temporary-dir         (in-folder #(.isDirectory ^File (io/file %)))
    with-tmp-checkout-dir (.isDirectory ^File (io/file (m/checkout-dir (mt/with-tmp-checkout-dir mt/test-ctx))))
    with-tmp-dir          (let [kept (mt/with-tmp-dir dir (spit (str dir "/x") "x") dir)]
                            (not (.exists (io/file kept))))
    with-build-params     (mt/with-build-params {"a" "b"} (= {"a" "b"} (m/build-params mt/test-ctx)))
    with-secrets          (mt/with-secrets {"a" "b"} (= ["b" nil] (map #(m/secret mt/test-ctx %) ["a" "c"])))
    with-results          (mt/with-results {"a" {:n 1}}
                            (m/save-result mt/test-ctx "b" 2)
                            (= [{:n 1} 2 nil] (map #(m/result mt/test-ctx %) ["a" "b" "c"])))
    with-results-of       (mt/with-results-of :previous {"a" 1}
                            (= [1 nil] (map #(m/result mt/test-ctx "a" {:of %}) [:previous :this])))
    resolve-jobs          (= ["a" "c"] (map :id (mt/resolve-jobs [action [nil (constantly container)]] mt/test-ctx)))
    execute-job           (= {:status :success} (mt/execute-job action mt/test-ctx))
    action-job?           (mt/action-job? action)
    container-job?        (mt/container-job? container)
    success?              (mt/success? m/success)
    failure?              (mt/failure? m/failure)))

(def checks
  "Names of functions to functions that are true when they do what they are for."
  (merge api-checks core-checks older-checks job-checks extension-checks service-checks test-checks))

(def namespaces
  "What scripts may use. The rest is between the library and the runner."
  '[monkey.ci.api monkey.ci.build.core monkey.ci.build.v2 monkey.ci.build.container monkey.ci.build.shell
    monkey.ci.jobs monkey.ci.containers monkey.ci.cuid monkey.ci.time monkey.ci.extensions monkey.ci.junit
    monkey.ci.ext.junit monkey.ci.xml monkey.ci.build.api monkey.ci.build.client monkey.ci.build.schema
    monkey.ci.build.archive monkey.ci.test])

(defn public
  "The names of all that a namespace offers."
  [ns-name]
  (map #(symbol (str ns-name) (str %)) (sort (keys (ns-publics ns-name)))))

(deftest every-function-does-what-it-is-for
  (doseq [[function check] (sort-by key checks)]
    (testing (str function)
      (is (check)))))

(deftest every-function-is-checked
  (let [;; The older name has the very functions of the newer one; the next test sees to it.
        same (map #(symbol "monkey.ci.build.v2" (name %)) (public 'monkey.ci.api))]
    (is (= #{} (set/difference (set (mapcat public namespaces)) (set (keys checks)) (set same))))
    (is (= #{} (set/difference (set (keys checks)) (set (mapcat public namespaces)))))))

(deftest the-older-name-has-the-same-functions
  (doseq [[function v] (ns-publics 'monkey.ci.api)]
    (testing (str function)
      (is (identical? @v @(ns-resolve 'monkey.ci.build.v2 function))))))
