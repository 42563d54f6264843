# Installs the package somewhere else and uses it as a user would.
. ci/lib.sh
version=$(cat dist/VERSION)
(cd dist && cksum "reflow-$version.tar.gz" | cmp - CHECKSUMS) || fail "the package was changed"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
tar -xzf "dist/reflow-$version.tar.gz" -C "$place"
reflow=$place/reflow-$version/bin/reflow

# expect NAME EXPECTED ACTUAL
expect() {
  [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
  ok "$1"
  sleep 0.3
}

title "reflow $version in $place"
expect "knows its version" "reflow $version" "$("$reflow" --version)"
expect "wraps standard input" "one two
three" "$(echo "one two three" | "$reflow" -w 8)"
expect "justifies" "aa  bb  cc
dd" "$(echo "aa bb cc dd" | "$reflow" -w 10 -j)"
expect "balances" "aaa
bb cc
ddddd" "$(echo "aaa bb cc ddddd" | "$reflow" -w 6 -b)"
expect "refuses a wrong option" 2 "$("$reflow" --wrong 2>/dev/null || echo $?)"
expect "names a missing file" 1 "$("$reflow" "$place/missing" 2>/dev/null || echo $?)"
expect "reads a file" "$(wc -w <README.md | tr -d ' ')" "$("$reflow" README.md | wc -w | tr -d ' ')"
title "its own README, 60 columns"
"$reflow" -w 60 -b README.md | head -n 24
