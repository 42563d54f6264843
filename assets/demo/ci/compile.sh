# Compiles one flavour: compile.sh release|debug|checked. Object files come from the cache when
# nothing that goes into them has changed: compiler, flags, headers and source.
. ci/lib.sh
flavour=$1
objects=.cache/objects
base="-std=c11 -Wall -Wextra"
mkdir -p "$objects" "build/$flavour"

case $flavour in
release) flags="$base -O3" ;;
debug) flags="$base -O0 -g" ;;
checked)
  # Undefined behaviour stops the program. Not every compiler can.
  flags="$base -O1 -g -fsanitize=undefined -fsanitize-undefined-trap-on-error"
  if ! echo 'int main(void){return 0;}' | $CC $flags -x c -c -o /dev/null - 2>/dev/null; then
    warn "$CC cannot check for undefined behaviour"
    flags="$base -O1 -g"
  fi
  ;;
*) fail "no such flavour: $flavour" ;;
esac

title "$flavour: $CC $flags"
common=$({ $CC --version && uname -sm && echo "$flags" && cat src/*.h tests/*.h; } | hash)
hits=0
misses=0
for source in src/*.c tests/*.c; do
  name=$(basename "$source" .c)
  object=$objects/$flavour-$name-$({ echo "$common" && cat "$source"; } | hash).o
  if [ -f "$object" ]; then
    touch "$object"
    hits=$((hits + 1))
    printf '  %s[32mcache hit%s[0m  %s\n' "$ESC" "$ESC" "$source"
  else
    misses=$((misses + 1))
    printf '  %s[35mcompile%s[0m    %s\n' "$ESC" "$ESC" "$source"
    $CC $flags -fdiagnostics-color=always -c -o "$object.new" "$source"
    mv "$object.new" "$object"
    sleep 0.08
  fi
  cp "$object" "build/$flavour/$name.o"
done
find "$objects" -name '*.o' -mtime +7 -exec rm -f {} + # what no build has used for a week

cd "build/$flavour"
library="words.o wrap.o render.o"
$CC -o reflow main.o $library
$CC -o unit-tests check.o test_words.o test_wrap.o test_render.o $library
$CC -o fuzz fuzz.o $library
$CC -o bench bench.o $library
rm -f ./*.o
ok "$flavour: $hits from the cache, $misses compiled"
