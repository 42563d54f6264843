# Which lines the unit tests run: coverage/lcov.info for programs, coverage/summary.txt for people.
. ci/lib.sh
GCOV=${GCOV:-gcov}
least=85
enough=yes
command -v "$GCOV" >/dev/null 2>&1 || fail "$GCOV is not installed (it comes with gcc)"
mkdir -p build/coverage coverage

title "compiling with counters"
for source in src/*.c tests/check.c tests/test_*.c; do
  echo "  $source"
  $CC -std=c11 -O0 -g --coverage -c -o "build/coverage/$(basename "$source" .c).o" "$source"
done
(
  cd build/coverage
  $CC --coverage -o unit-tests check.o test_*.o words.o wrap.o render.o
  $CC --coverage -o reflow main.o words.o wrap.o render.o
)

title "running the tests and the command"
build/coverage/unit-tests --rounds 15 --pace 2
build/coverage/reflow -w 40 -b README.md | tail -n 3
build/coverage/reflow -j <README.md >/dev/null
build/coverage/reflow --version

title "lines that ran"
for source in src/*.c; do
  $GCOV -b -c -o build/coverage "$source" >gcov.log 2>&1 || fail "$(cat gcov.log)"
  awk -v source="$source" -f ci/lcov.awk "$(basename "$source").gcov"
  sleep 0.6
done >coverage/lcov.info

awk -F '[:,]' -v least="$least" -v e="$ESC" '
  /^SF/ { file = $2 }
  /^LF/ { found = $2; all += $2 }
  /^LH/ { hit += $2; line(file, $2, found) }
  END { line("total", hit, all); exit hit * 100 < all * least }
  function line(name, hit, found,   share, bar, colour, i) {
    share = found ? hit * 100 / found : 100
    colour = (share < 80) ? 33 : 32
    for (i = 0; i < 20; i++) bar = bar (i < share / 5 ? "|" : ".")
    printf "%-14s %s[%dm%s%s[0m %5.1f%%  %d of %d lines\n", name, e, colour, bar, e, share, hit, found
  }' coverage/lcov.info >coverage/coloured.txt || enough=no
cat coverage/coloured.txt
sed "s/$ESC\[[0-9;]*m//g" coverage/coloured.txt >coverage/summary.txt
rm coverage/coloured.txt
awk -F '[:,]' '/^SF/ { file = $2 } /^DA/ && $3 == 0 { print file ":" $2 }' coverage/lcov.info >missed
while read -r place; do
  warn "$place: not run"
done <missed
[ "$enough" = yes ] || fail "less than $least% of the lines ran"
