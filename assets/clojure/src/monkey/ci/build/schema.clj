(ns monkey.ci.build.schema
  "Checks values against the JSON schemas of an OpenAPI document, in the form EDN has them: string
  keys throughout. Keywords and symbols count as strings, sets and lists as arrays."
  (:require [clojure.string :as str]))

(def ^:private deepest 64)

(defn resolve-ref
  "What a `$ref` of the document stands for; anything else stands for itself."
  [document x]
  (loop [x x, left 16]
    (let [target (when (map? x) (get x "$ref"))]
      (if (and (string? target) (pos? left))
        (recur (get-in document (map #(-> % (str/replace "~1" "/") (str/replace "~0" "~"))
                                     (rest (str/split target #"/"))))
               (dec left))
        x))))

(defn text-of
  "The text of a string, keyword or symbol; nil for other values."
  [x]
  (cond
    (string? x) x
    (keyword? x) (subs (str x) 1)
    (symbol? x) (str x)))

(defn- array? [x]
  (or (sequential? x) (set? x)))

(defn- of-type? [type x]
  (case type
    "string"  (or (some? (text-of x)) (inst? x) (uuid? x) (char? x))
    "integer" (or (integer? x) (and (number? x) (== x (bigint x))))
    "number"  (number? x)
    "boolean" (boolean? x)
    "array"   (array? x)
    "object"  (map? x)
    "null"    (nil? x)
    true))

(defn- types-of [schema]
  (let [type (get schema "type")]
    (cond
      (nil? type) nil
      (string? type) (cond-> [type] (get schema "nullable") (conj "null"))
      :else (vec type))))

(declare describe)

(def ^:private articles
  {"string" "a string", "integer" "an integer", "number" "a number", "boolean" "true or false"
   "array" "a list", "object" "a map", "null" "nil"})

(defn- choices [xs]
  (str/join ", " (map pr-str xs)))

(defn describe
  "A schema in a few words: `a string, one of \"a\", \"b\"`."
  [document schema]
  (let [schema (resolve-ref document schema)
        any    (or (get schema "oneOf") (get schema "anyOf"))
        words  (cond
                 (not (map? schema)) "anything"
                 (types-of schema) (str/join " or " (map #(get articles % %) (types-of schema)))
                 any (str/join " or " (distinct (map #(describe document %) any)))
                 (get schema "enum") nil
                 (contains? schema "const") nil
                 :else "anything")
        facts  (when (map? schema)
                 [(when-let [xs (get schema "enum")] (str "one of " (choices xs)))
                  (when (contains? schema "const") (pr-str (get schema "const")))
                  (when-let [n (get schema "minimum")] (str "at least " n))
                  (when-let [n (get schema "maximum")] (str "at most " n))
                  (when-let [n (get schema "exclusiveMinimum")] (str "more than " n))
                  (when-let [n (get schema "exclusiveMaximum")] (str "less than " n))
                  (when-let [n (get schema "minLength")] (str "at least " n " characters"))
                  (when-let [n (get schema "maxLength")] (str "at most " n " characters"))
                  (when-let [n (get schema "minItems")] (str "at least " n " of them"))
                  (when-let [n (get schema "maxItems")] (str "at most " n " of them"))
                  (when-let [p (get schema "pattern")] (str "matching " (pr-str p)))])]
    (str/join ", " (remove nil? (cons words facts)))))

(defn- outside? [schema x]
  (let [check (fn [key test] (when-let [limit (get schema key)]
                               (when (number? limit) (not (test x limit)))))]
    (or (check "minimum" >=) (check "maximum" <=)
        (check "exclusiveMinimum" >) (check "exclusiveMaximum" <))))

(defn- wrong-size? [schema low high n]
  (let [low (get schema low), high (get schema high)]
    (or (and (number? low) (< (long n) (long low)))
        (and (number? high) (> (long n) (long high))))))

(defn- mismatch? [pattern text]
  (try
    (nil? (re-find (re-pattern pattern) text))
    ;; A pattern of another dialect is the server's to check.
    (catch IllegalArgumentException _ false)))

(declare problem)

(defn- place [at x]
  (conj at (or (text-of x) x)))

(defn- object-problem [document schema x at depth]
  (let [named (into {} (map (fn [[k v]] [(or (text-of k) (str k)) v])) x)
        known (get schema "properties")
        extra (get schema "additionalProperties")]
    (or (some (fn [k] (when-not (contains? named k)
                        {:at (place at k) :expected (describe document (get known k)) :missing? true}))
              (get schema "required"))
        (some (fn [[k v]]
                (cond
                  (contains? known k) (problem document (get known k) v (place at k) (inc depth))
                  (false? extra) {:at (place at k) :unknown? true}
                  (map? extra) (problem document extra v (place at k) (inc depth))))
              named))))

(defn- one-of-problem [document options x at depth wrong]
  (let [problems (map #(problem document % x at (inc depth)) options)]
    (when (every? some? problems)
      (if (= 1 (count problems)) (first problems) wrong))))

(defn problem
  "The first thing that is wrong with a value: `{:at [\"place\" 0] :expected \"words\" :value x}`,
  or nil when it fits."
  ([document schema x] (problem document schema x [] 0))
  ([document schema x at depth]
   (let [schema (resolve-ref document schema)
         depth  (long depth)
         wrong  {:at at :expected (when (map? schema) (describe document schema)) :value x}
         text   (text-of x)
         types  (when (map? schema) (types-of schema))]
     (cond
       (false? schema) {:at at :unknown? true}
       (or (not (map? schema)) (> depth (long deepest))) nil
       (and types (not-any? #(of-type? % x) types)) wrong
       (and (get schema "enum") (not-any? #(or (= % x) (and text (= % text))) (get schema "enum"))) wrong
       (and (contains? schema "const") (not= (get schema "const") x)
            (not= (get schema "const") text)) wrong
       (and (number? x) (outside? schema x)) wrong
       (and text (wrong-size? schema "minLength" "maxLength" (.codePointCount ^String text 0 (count text)))) wrong
       (and text (get schema "pattern") (mismatch? (get schema "pattern") text)) wrong
       (and (array? x) (wrong-size? schema "minItems" "maxItems" (count x))) wrong
       :else
       (or (some #(problem document % x at (inc depth)) (get schema "allOf"))
           (when-let [options (or (get schema "oneOf") (get schema "anyOf"))]
             (one-of-problem document options x at depth wrong))
           (when (and (array? x) (contains? schema "items"))
             (some (fn [[i x]] (problem document (get schema "items") x (conj at i) (inc depth)))
                   (map-indexed vector x)))
           (when (map? x) (object-problem document schema x at depth)))))))
