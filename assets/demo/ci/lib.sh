# Shared by the scripts of this folder: `. ci/lib.sh`.
set -eu
export LC_ALL=C
CC=${CC:-cc}
ESC=$(printf '\033')

title() { printf '%s[1;34m== %s%s[0m\n' "$ESC" "$*" "$ESC"; }
ok() { printf '%s[32mok%s[0m    %s\n' "$ESC" "$ESC" "$*"; }
warn() { printf '%s[33mwarning%s[0m: %s\n' "$ESC" "$ESC" "$*" >&2; }
fail() {
  printf '%s[1;31merror%s[0m: %s\n' "$ESC" "$ESC" "$*" >&2
  exit 1
}

# A short checksum of standard input, with what the machine has.
hash() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum | cut -c1-16
  else
    cksum | tr -d ' '
  fi
}

# Draws progress over the same line: bar LABEL DONE ALL TEXT
bar() {
  awk -v label="$1" -v now="$2" -v all="$3" -v text="$4" -v e="$ESC" 'BEGIN {
    for (i = 0; i < 30; i++) line = line (i < now * 30 / all ? "#" : ".")
    printf "\r%s[36m%s%s[0m [%s[32m%s%s[0m] %3d%% %s%s[K", e, label, e, e, line, e, now * 100 / all, text, e
  }'
  [ "$2" -lt "$3" ] || echo
}
