#!/usr/bin/env bash
# Runs every fuzzer of the module, one after the other: hack/fuzz.sh [TIME] [NAME]. TIME is
# for each, as 3s or 10m; NAME leaves out those whose name does not contain it.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-3s} name=${2:-}
total=0
while IFS=: read -r file func; do
	fuzzer=${func#func } fuzzer=${fuzzer%%(*}
	[[ $fuzzer == *"$name"* ]] || continue
	if ! out=$(go test "./$(dirname "$file")" -run '^$' -fuzz "^$fuzzer\$" -fuzztime "$time" 2>&1); then
		printf '%s\n' "$out"
		exit 1
	fi
	execs=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' <<<"$out" | tail -n 1)
	printf '%-50s %12s executions in %s\n' "$fuzzer" "${execs:-0}" "$time"
	total=$((total + ${execs:-0}))
done < <(git grep -o 'func Fuzz[A-Za-z0-9]*(' -- '*_test.go')
printf 'fuzz: %d executions, no finding\n' "$total"
