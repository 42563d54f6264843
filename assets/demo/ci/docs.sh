# The manual, from the comments in src/reflow.h: docs/reflow.3 for man, docs/reflow.html for browsers.
. ci/lib.sh
mkdir -p docs

title "reading src/reflow.h"
awk '
  /^\/\*\*/ { reading = 1; text = "" }
  reading {
    line = $0
    gsub(/^[\/ ]*\*+\/?|\*\/$/, "", line)
    text = text line
    if (/\*\/$/) { reading = 0; wanted = 1 }
    next
  }
  wanted && NF { sub(/ *[{;].*$/, ""); gsub(/  +/, " ", text); sub(/^ /, "", text); print $0 "|" text; wanted = 0 }
' src/reflow.h >docs/entries
while IFS='|' read -r name text; do
  ok "$name"
  sleep 0.15
done <docs/entries
[ "$(wc -l <docs/entries)" -ge 8 ] || fail "entries are missing"

title "writing"
{
  printf '.TH REFLOW 3\n.SH NAME\nreflow \\- wrap paragraphs of text\n.SH DESCRIPTION\n'
  awk -F '|' '{ printf ".TP\n.B %s\n%s\n", $1, $2 }' docs/entries
} >docs/reflow.3
{
  echo '<!doctype html><meta charset="utf-8"><title>reflow</title><h1>reflow</h1><dl>'
  sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' docs/entries |
    awk -F '|' '{ printf "<dt><code>%s</code></dt>\n<dd>%s</dd>\n", $1, $2 }'
  echo '</dl>'
} >docs/reflow.html
rm docs/entries
wc docs/*
