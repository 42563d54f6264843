;; Writes the manual's page about the script library, from the library itself:
;;
;;     clojure -cp assets/clojure/src:tests/clojure tests/clojure/library_page.clj >assets/docs/library.md
;;
;; A test of `monkey.ci.library-page-test` fails when the page is not what this prints.
(require 'monkey.ci.library-page)
(print ((resolve 'monkey.ci.library-page/page)))
(flush)
(shutdown-agents)
