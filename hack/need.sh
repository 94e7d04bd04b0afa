#!/usr/bin/env bash
# need.sh PACKAGE...: makes sure that what tests use is installed: programs of the name of
# their Debian package, however they came here, and Debian packages without such a program.
# Where it may not install them it says how, and fails.
set -euo pipefail

missing=()
for name in "$@"; do
  command -v "$name" >/dev/null ||
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
    missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=(false)
if [ "$(id -u)" = 0 ]; then
  as_root=(env)
elif sudo -n true 2>/dev/null; then
  as_root=(sudo -n)
fi
if [ "${as_root[0]}" = false ] || ! command -v apt-get >/dev/null; then
  echo "missing for the tests: ${missing[*]}. Install and run again: sudo apt-get install -y ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}, once"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
