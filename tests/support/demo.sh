# Starts the demo of a program on any free port, for scripts that source this file: start_demo PROGRAM sets `url`, however busy
# the machine is. The demo ends with the script, and then `at_the_end` runs, if the script has such a function.

start_demo() {
  local said
  said=$(mktemp)
  "$1" demo --quiet --listen 127.0.0.1:0 >"$said" 2>/dev/null &
  demo=$!
  trap 'kill "$demo" 2>/dev/null || true; wait "$demo" 2>/dev/null || true; ! declare -F at_the_end >/dev/null || at_the_end' EXIT
  until url=$(grep -o -m1 'http://[0-9.:]*' "$said"); do
    kill -0 "$demo" 2>/dev/null || { echo "the demo has ended" >&2; exit 1; }
    sleep 0.1
  done
  rm -f "$said"
}
