;; Compiles the namespaces of a script library and packs their classes into a jar, not
;; compressed: Java reads it at every start.
;;   clojure.main prepare.clj CLASSES JAR NAMESPACE…
(let [[classes jar & namespaces] *command-line-args*
      root (.toPath (java.io.File. ^String classes))]
  (binding [*compile-path* classes]
    (doseq [n namespaces] (compile (symbol n))))
  (with-open [out (java.util.zip.ZipOutputStream. (java.io.FileOutputStream. ^String jar))]
    (.setLevel out java.util.zip.Deflater/NO_COMPRESSION)
    (doseq [^java.io.File file (sort (file-seq (.toFile root)))
            :when (.isFile file)]
      (.putNextEntry out (java.util.zip.ZipEntry. (str (.relativize root (.toPath file)))))
      (java.nio.file.Files/copy (.toPath file) out)
      (.closeEntry out))))
