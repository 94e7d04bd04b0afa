#!/usr/bin/env bash
# Makes sure that Chromium is installed for the browser tests, or says how to install it.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done

if command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then
    as_root=()
  elif sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  fi
fi
if [ -z "${as_root+set}" ]; then
  echo 'missing: chromium, for the browser tests. Install it and run again: sudo apt-get install -y chromium' >&2
  exit 1
fi
echo 'installing chromium, once'
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq chromium >/dev/null
