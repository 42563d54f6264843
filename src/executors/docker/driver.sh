# The first process of a container: runs the lines of a script, each in a shell of its own, and
# says on both outputs where one begins and how it ends.
# Arguments: the marker, the shell, the folder of the lines, the working directory, their number.
# Lines that are not in the folder yet come as variables, which the lines do not see.
line=0
while [ "$line" -lt "$5" ]; do
    eval "is_there=\${MONKEYCI_TUI_LINE_$line+yes} text=\${MONKEYCI_TUI_LINE_$line-}"
    if [ -n "$is_there" ]; then
        printf %s "$text" >"$3/$line"
        unset "MONKEYCI_TUI_LINE_$line"
    fi
    line=$((line + 1))
done
unset is_there text
cd "$4" || exit 126
line=0
while [ "$line" -lt "$5" ]; do
    if [ -e "$3/abort" ]; then exit 143; fi
    echo "$1 s $line"
    echo "$1 s $line" >&2
    # When memory runs out, the line goes, and not this.
    (
        echo 1000 2>/dev/null >/proc/self/oom_score_adj
        exec "$2" "$3/$line"
    )
    code=$?
    echo "$1 e $line $code"
    echo "$1 e $line $code" >&2
    if [ "$code" != 0 ]; then exit "$code"; fi
    line=$((line + 1))
done
