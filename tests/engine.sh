#!/bin/sh
# Sees to it that a container engine answers, and that it has the images of the tests.
#
#   tests/engine.sh [LOG]
#
# As root on Debian, or when CI=true, it installs Docker Engine where there is none, and starts it where
# nothing answers; its process id is printed then, for whoever wants to end it. LOG is what it writes to.
# The images are made of Debian's static busybox. A registry and an sshd are installed for the tests
# that start one of their own.
#
# Exit status: 0 when the engine is there, 1 when it is not; why is said on stderr.

set -u
log=${1:-/dev/null}

has() {
    command -v "$1" >/dev/null 2>&1
}

install() {
    if ! [ "${CI:-}" = true ] && ! { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; }; then
        echo "engine.sh: not installed: $*" >&2
        return 1
    fi
    as_root=
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    # shellcheck disable=SC2086 # a list of words, on purpose
    $as_root apt-get update -q >>"$log" 2>&1 &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qy --no-install-recommends "$@" >>"$log" 2>&1 </dev/null
}

answers() {
    docker version >/dev/null 2>&1
}

start() {
    [ "$(id -u)" = 0 ] || return 1
    setsid dockerd >>"$log" 2>&1 </dev/null &
    echo $!
    # A machine that is busy needs its time.
    left=120
    until answers; do
        left=$((left - 1))
        if [ $left = 0 ] || ! kill -0 $! 2>/dev/null; then
            return 1
        fi
        sleep 0.5
    done
}

# image NAME ROOT [CHANGE]
image() {
    name=$1
    root=$2
    change=${3:-LABEL made-by=monkeyci-tui}
    docker image inspect "$name" >/dev/null 2>&1 ||
        tar -C "$root" -c . | docker import -c "$change" - "$name" >>"$log"
}

# What some tests need besides; each says so when it is not there.
missing=
has docker-registry || missing="$missing docker-registry"
has podman || missing="$missing podman"
has openssl || missing="$missing openssl"
{ has ssh && [ -x /usr/sbin/sshd ]; } || missing="$missing openssh-client openssh-server"
# shellcheck disable=SC2086 # a list of words, on purpose
[ -z "$missing" ] || install $missing

{ has docker && has dockerd; } || answers || install docker.io || exit 1
has busybox || install busybox-static || exit 1
if ! answers && ! start; then
    echo "engine.sh: Docker Engine does not start; $log says why" >&2
    exit 1
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/whole/bin" "$work/whole/tmp" "$work/bare"
busybox=$(command -v busybox)
cp "$busybox" "$work/whole/bin/busybox"
for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/whole/bin/$applet"
done
# Without a shell, and with one program.
cp "$busybox" "$work/bare/echo"
# With a user of its own.
cp -a "$work/whole" "$work/user"
mkdir "$work/user/etc"
echo 'worker:x:1000:1001::/:/bin/sh' >"$work/user/etc/passwd"
image monkeyci-test:busybox "$work/whole" && image monkeyci-test:bare "$work/bare" &&
    image monkeyci-test:user "$work/user" "USER worker"
