#!/usr/bin/env bash
# need-npm.sh DIR: makes sure that the npm packages that tests use are installed: those
# that DIR/package-lock.json locks, outside the tree, by the lock's hash. It prints where.
set -euo pipefail

cache=${GATEHOUSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse}
at=$cache/npm-$(sha256sum "$1/package-lock.json" | cut -c 1-12)
if [ ! -d "$at/node_modules" ]; then
  "$(dirname "$0")/need.sh" npm >&2
  echo "installing the npm packages of $1, once" >&2
  mkdir -p "$cache"
  new=$(mktemp -d "$at.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  cp "$1/package.json" "$1/package-lock.json" "$1/.npmrc" "$new"
  (cd "$new" && npm ci --no-update-notifier >&2)
  mkdir -p "$at"
  # Whoever is first wins; an interrupted installation leaves nothing that looks finished.
  mv -T "$new/node_modules" "$at/node_modules" 2>/dev/null || [ -d "$at/node_modules" ]
fi
echo "$at/node_modules"
