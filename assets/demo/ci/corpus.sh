# Makes the text that is measured and fuzzed: the same on every machine, in 24 parts, with checksums.
. ci/lib.sh
parts=24
known="2950947799 847071"
mkdir -p corpus

title "making $parts parts"
part=1
while [ "$part" -le "$parts" ]; do
  awk -v seed="$part" 'BEGIN {
    count = split("the of and a to in is was that it for on with as his they be at one have this from " \
      "or had by hot but some what there we can out other were all your when up use word how said an " \
      "each she which do their time if will way about many then them would write like so these her " \
      "long make thing see him two has look more day could go come did my sound no most number who over " \
      "paragraphs typesetting justification hyphenation incomprehensibilities", word, " ")
    x = seed * 7919
    for (p = 0; p < 60; p++) {
      x = x * 16807 % 2147483647
      for (n = 20 + x % 200; n > 0; n--) {
        x = x * 16807 % 2147483647
        printf("%s%s", word[1 + x % count], (n > 1) ? " " : "\n\n")
      }
    }
  }' >"corpus/part-$part.txt"
  bar corpus "$part" "$parts" "part-$part.txt"
  sleep 0.15
  part=$((part + 1))
done

title "checksums"
for file in corpus/part-*.txt; do
  cksum <"$file" | awk -v name="${file#corpus/}" '{ printf "%10s %6d %s\n", $1, $2, name }'
done | tee corpus/MANIFEST
sum=$(cat corpus/part-*.txt | cksum)
[ "$sum" = "$known" ] || fail "the corpus is not the known one: $sum"
ok "the corpus is the known one: $sum"
cat corpus/part-*.txt >corpus/all.txt
