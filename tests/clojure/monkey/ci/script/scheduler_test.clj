(ns monkey.ci.script.scheduler-test
  "The scheduler: single cases, and random job lists against what the rules say in the large."
  (:require [clojure.set :as set]
            [clojure.test :refer [deftest is testing]]
            [monkey.ci.script.scheduler :as sut]))

(defn- jobs [& specs]
  (for [[id & {:as more}] specs]
    (merge {:id id :type :action} more)))

(defn- play
  "Steps, one after the other: gives the orders of each."
  [all & steps]
  (second
   (reduce (fn [[state told] [step & args]]
             (let [[state orders] (apply step state args)]
               [state (conj told orders)]))
           [(sut/init all) []]
           steps)))

(def ^:private start [sut/start])
(def ^:private canceled [sut/canceled])
(defn- unblocked [id] [sut/unblocked id])
(defn- ended [id status] [sut/ended id status {}])

(deftest nothing-to-do
  (doseq [all [[] (jobs ["a" :dependencies ["nobody"]])
               (jobs ["a" :dependencies ["b"]] ["b" :dependencies ["a"]])
               (jobs ["a" :dependencies ["a"]])]]
    (is (= [(conj (mapv #(vector :skip (:id %)) all) [:end :error "No jobs to run"])]
           (play all start)))))

(deftest what-depends-waits-for-success
  (let [all (jobs ["c" :dependencies ["a" "b"]] ["a"] ["b"])]
    (testing "of all"
      (is (= [[[:queue "a"] [:queue "b"]] [] [[:queue "c"]] [[:end :success nil]]]
             (play all start (ended "b" :success) (ended "a" :success) (ended "c" :success)))))
    (testing "and never runs otherwise"
      (doseq [[status final] {:failure :error, :error :error, :skipped :success, :canceled :success}]
        (is (= [[[:queue "a"] [:queue "b"]] [] [[:skip "c"] [:end final nil]]]
               (play all start (ended "a" status) (ended "b" :success))))))
    (testing "no status at the end is a success"
      (is (= [[:queue "c"]] (last (play all start (ended "a" nil) (ended "b" nil))))))))

(deftest of-two-jobs-with-one-id-the-last-counts
  (is (= [[[:queue "b"]] [[:queue "a"]]]
         (play (jobs ["a"] ["b"] ["a" :dependencies ["b"]]) start (ended "b" :success)))))

(deftest a-job-ends-once
  (is (= [[[:queue "a"]] [[:queue "b"]] [] [] []]
         (play (jobs ["a"] ["b" :dependencies ["a"]])
               start (ended "a" :success) (ended "a" :failure) (ended "nobody" :success)
               (unblocked "b")))))

(deftest blocked-jobs
  (let [all (jobs ["a"] ["b" :blocked true] ["c" :dependencies ["b"]])]
    (testing "are told once, and keep the script alive"
      (is (= [[[:queue "a"] [:block "b"]] [] [[:queue "b"]] [[:queue "c"]] [[:end :success nil]]]
             (play all start (ended "a" :success) (unblocked "b") (ended "b" :success)
                   (ended "c" :success)))))
    (testing "are not queued again by a second approval"
      (is (= [[:queue "b"]] (nth (play all start (unblocked "b") (unblocked "b")) 1)))
      (is (= [] (last (play all start (unblocked "b") (unblocked "b"))))))
    (testing "are skipped when the build is canceled"
      (is (= [[:skip "b"] [:skip "c"] [:end :canceled nil]]
             (last (play all start (ended "a" :success) canceled)))))
    (testing "alone are enough to begin"
      (is (= [[[:block "b"]] [[:queue "b"]] [[:end :error nil]]]
             (play (jobs ["b" :blocked true]) start (unblocked "b") (ended "b" :error)))))
    (testing "may be approved before their turn"
      (is (= [[[:queue "a"]] [] [[:queue "b"]]]
             (play (jobs ["a"] ["b" :blocked true :dependencies ["a"]])
                   start (unblocked "b") (ended "a" :success)))))))

(deftest a-canceled-build
  (let [all (jobs ["a"] ["b" :dependencies ["a"]])]
    (testing "skips what is pending, and ends when the active ones have"
      (is (= [[[:queue "a"]] [[:skip "b"]] [] [] [[:end :canceled nil]] []]
             (play all start canceled canceled (unblocked "b") (ended "a" :success) canceled))))
    (testing "stays canceled when a job fails"
      (is (= [[:end :canceled nil]] (last (play all start canceled (ended "a" :failure))))))))

;;; Random lists

(def ^:private seed 20260822)

(defn- new-rand
  "A function like `rand-int` that gives the same numbers in every run."
  [n]
  (let [random (java.util.Random. (+ (long seed) (long n)))]
    (fn [below] (.nextInt random (int below)))))

(defn- random-jobs [rand-to]
  (let [ids (mapv #(str "j" %) (range (inc (long (rand-to 12)))))]
    (for [[n id] (map-indexed vector ids)]
      (cond-> {:id id :type :container}
        (zero? (long (rand-to 6))) (assoc :blocked true)
        ;; Mostly of earlier jobs; now and then of anything, which makes cycles and dead ends.
        :always (assoc :dependencies
                       (vec (distinct (for [_ (range (rand-to 4))
                                            :let [odd? (zero? (long (rand-to 12)))]
                                            :when (or odd? (pos? (long n)))]
                                        (if odd?
                                          (nth (conj ids "nobody") (rand-to (inc (count ids))))
                                          (ids (rand-to n)))))))))))

(defn- outcome [rand-to]
  (nth [:success :success :success :success :success :failure :error :skipped] (rand-to 8)))

(defn- expected-runs
  "The ids that run when nobody cancels, by the outcome that each job would have: the least set in
  which every job's dependencies have run with success."
  [all outcomes]
  (loop [runs #{}]
    (let [good (filter #(= :success (outcomes %)) runs)
          more (set (map :id (filter #(every? (set good) (:dependencies %)) all)))]
      (if (= runs more) runs (recur more)))))

(defn- play-randomly
  "Ends active jobs and approves blocked ones in a random order, and cancels when `cancel-at` steps
  were done. Gives all orders as `[step order]`, and which jobs were approved and ended when."
  [all outcomes rand-to cancel-at]
  (let [[state orders] (sut/start (sut/init all))]
    (loop [state state, step 0, log (mapv #(vector 0 %) orders), active #{}, waiting #{}, facts []
           new orders]
      (let [of      (fn [kind] (map second (filter #(= kind (first %)) new)))
            active  (into active (of :queue))
            waiting (if (some #{:end} (map first new)) #{} (into waiting (of :block)))
            choices (vec (concat (map #(vector :ended %) (sort active))
                                 (map #(vector :unblocked %) (sort waiting))))
            next-step (inc step)]
        (if (or (empty? choices) (< 100 step))
          {:state state :log log :facts facts}
          (let [[what id :as choice] (if (= step cancel-at)
                                       [:canceled nil]
                                       (nth choices (rand-to (count choices))))
                [state new] (case what
                              :ended     (sut/ended state id (outcomes id) {})
                              :unblocked (sut/unblocked state id)
                              :canceled  (sut/canceled state))]
            (recur state next-step
                   (into log (map #(vector next-step %)) new)
                   (cond-> active (= :ended what) (disj id))
                   (case what :canceled #{} :unblocked (disj waiting id) waiting)
                   (conj facts choice)
                   new)))))))

(deftest random-lists
  (dotimes [n 400]
    (let [rand-to   (new-rand n)
          all       (vec (random-jobs rand-to))
          outcomes  (into {} (map (fn [{:keys [id]}] [id (outcome rand-to)])) all)
          cancel-at (when (zero? (mod n 3)) (rand-to 6))
          {:keys [state log facts]} (play-randomly all outcomes rand-to cancel-at)
          cancel?   (boolean (some #{[:canceled nil]} facts))
          orders    (map second log)
          of        (fn [kind] (map second (filter #(= kind (first %)) orders)))
          ids       (set (map :id all))
          queued    (set (of :queue))
          step-of   (fn [order] (some (fn [[step o]] (when (= o order) step)) log))
          step-that (fn [fact] (let [i (.indexOf ^java.util.List facts fact)] (when (nat-int? i) (inc i))))
          expected  (expected-runs all outcomes)]
      (testing (str "list " n ": " (pr-str {:all all :outcomes outcomes :facts facts}))
        (testing "every job is either queued or skipped, once"
          (is (= (count ids) (+ (count (of :queue)) (count (of :skip)))))
          (is (= ids (set/union queued (set (of :skip))))))
        (testing "blocked is told once, of blocked jobs only, and before they are queued"
          (is (= (count (of :block)) (count (set (of :block)))))
          (doseq [id (of :block)]
            (is (:blocked (sut/job state id)))
            (is (or (not (queued id)) (< (step-of [:block id]) (step-of [:queue id]))))))
        (testing "a job is queued at the step at which the last thing it waits for has come"
          (doseq [id queued
                  :let [{:keys [dependencies blocked]} (sut/job state id)
                        waited (cond-> (map #(step-that [:ended %]) dependencies)
                                 blocked (conj (step-that [:unblocked id])))]]
            (is (every? #(= :success (outcomes %)) dependencies))
            (is (= (apply max 0 waited) (step-of [:queue id])))))
        (testing "what runs"
          (if cancel?
            (is (set/subset? queued expected))
            (is (= expected queued))))
        (testing "the end is told once, and last"
          (is (= 1 (count (filter #(= :end (first %)) orders))))
          (is (= [:end
                  (cond
                    cancel? :canceled
                    (empty? expected) :error
                    (some #{:failure :error} (map outcomes queued)) :error
                    :else :success)
                  (when (empty? expected) "No jobs to run")]
                 (last orders))))))))
