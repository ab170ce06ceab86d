#!/usr/bin/env bash
# Tries openapi.json with the tools of its users: a validator, schemathesis, and clients generated for Python and TypeScript.
#
#     tests/openapi/run.sh [URL]
#
# Without the URL of a demo, target/debug/quotefold, or the program that QUOTEFOLD names, runs one. The tools come from PyPI and npm,
# into target/openapi.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${CARGO_TARGET_DIR:-$root/target}
program=${QUOTEFOLD:-$build/debug/quotefold}
tools=$build/openapi
# at most so many cases for each of the ten operations, and at least so many in all
cases_each=${CASES_EACH:-220}
cases=${CASES:-2000}

prepare() {
  mkdir -p "$tools"
  cp "$here/package.json" "$here/package-lock.json" "$here/client.ts" "$tools"
  if ! cmp -s "$here/requirements.txt" "$tools/requirements.txt"; then
    python3 -m venv "$tools/python"
    "$tools/python/bin/pip" install --quiet --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$tools"
  fi
  npm --prefix "$tools" ci --loglevel=error --no-audit --no-fund
}

validate() {
  curl --silent --show-error --fail "$url/openapi.json" >"$tools/openapi.json"
  "$tools/python/bin/openapi-spec-validator" "$tools/openapi.json"
}

# A 503 is an answer here; hooks.py checks its form in place of not_a_server_error. The demo has no address for an operator, where
# alone a reload can be asked for. A stream of prices has no end that a case could wait for.
fuzz() {
  local log=$tools/schemathesis.log
  (cd "$tools" && SCHEMATHESIS_HOOKS=$here/hooks.py python/bin/schemathesis run "$url/openapi.json" --seed 14 --no-color \
    --exclude-path /admin/reload --exclude-path /prices/stream --phases examples,coverage,fuzzing --max-examples "$cases_each" --exclude-checks not_a_server_error --request-timeout 300 \
    --continue-on-failure >"$log") || { cat "$log"; exit 1; }
  local generated
  generated=$(grep -o '[0-9,]* generated' "$log" | tr -dc '0-9')
  echo "schemathesis: $generated cases, no failure"
  [ "$generated" -ge "$cases" ]
}

python_client() {
  (cd "$tools" && PATH=$tools/python/bin:$PATH python/bin/openapi-python-client generate --path openapi.json \
    --overwrite --output-path python-client >python-client.log 2>&1) || { cat "$tools/python-client.log"; exit 1; }
  PYTHONPATH=$tools/python-client "$tools/python/bin/python" "$here/client.py" "$url"
}

typescript_client() {
  (cd "$tools" && npx openapi-typescript openapi.json --output quotefold.d.ts >/dev/null 2>&1 \
    && npx tsc --strict --target es2022 --module nodenext --types node --outDir out client.ts && node out/client.js "$url")
}

url=${1:-}
prepare
if [ -z "$url" ]; then
  . "$here/../support/demo.sh"
  start_demo "$program"
fi
validate
python_client
typescript_client
fuzz
