# What the compiler and a few rules of taste say about the sources.
. ci/lib.sh
flags="-std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wpointer-arith -Werror"

title "compiler warnings ($CC)"
for file in src/*.c tests/*.c; do
  $CC $flags -O1 -fdiagnostics-color=always -c -o /dev/null "$file"
  ok "$file"
  sleep 0.15
done

title "shell syntax"
for file in ci/*.sh; do
  sh -n "$file"
  ok "$file"
done

title "style"
tab=$(printf '\t')
if grep -n "[ $tab]\$" src/* tests/* ci/*; then
  fail "blanks at the end of a line"
fi
ok "no blanks at the end of a line"
awk 'length > 100 { printf "%s:%d: %d columns\n", FILENAME, FNR, length }' src/* tests/* >long-lines
while read -r line; do
  warn "$line"
done <long-lines
ok "no line over 100 columns, but for $(wc -l <long-lines | tr -d ' ')"
grep -n TODO src/* >todo || true
while read -r line; do
  warn "$line"
done <todo
