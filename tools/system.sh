#!/bin/sh
# Makes sure of the programs that no package index of Python or Node brings: Redis and Chromium.
# Debian and its children: installed by apt-get. Elsewhere: said what is missing. Without them their
# tests are skipped, and fail where CI is set.
set -eu

browser() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return 0
    done
    return 1
}

missing=""
command -v redis-server >/dev/null || missing="$missing redis-server"
browser || missing="$missing chromium"
[ -n "$missing" ] || exit 0

give_up() {
    echo "missing:$missing ($1)" >&2
    echo "install these with your system's package manager; until then their tests are skipped" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
}

command -v apt-get >/dev/null || give_up "this system has no apt-get"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "not root, and there is no sudo"
    as_root="sudo"
fi

echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # words on purpose
{
    $as_root apt-get update -q &&
        $as_root apt-get install -q -y --no-install-recommends $missing
} || give_up "apt-get failed"
