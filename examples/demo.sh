#!/usr/bin/env bash
# A backup host and a cloud application talk to each other, and both show what they see.
#
#   demo.sh LIBDIR CLOUD_APP HOST OUTAGE
#
# LIBDIR holds libnbwss.so; CLOUD_APP, HOST and OUTAGE are the built examples. What the cloud application does is in
# demo.script; the last chapter, in which both are killed, is here. The exit status is 0 only if all went well.
set -euo pipefail

if [[ $# -ne 4 ]]; then
  echo "usage: demo.sh LIBDIR CLOUD_APP HOST OUTAGE" >&2
  exit 2
fi
libdir=$(cd "$1" && pwd)
cloud_app=$2
host=$3
outage=$4
script=$(cd "$(dirname "$0")" && pwd)/demo.script

dir=$(mktemp -d)
clean_up() {
  # Only what still runs, and only what was started here.
  for pid in $(jobs -pr); do
    kill "$pid" 2>/dev/null || true
  done
  wait
  rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The library's major version is in the name that the host asks for; a build directory has only the plain name.
ln -s "$libdir/libnbwss.so" "$dir/libnbwss.so.0"

"$cloud_app" --dir "$dir" --script "$script" &
cloud_pid=$!

# The endpoint file comes last and whole: then the application is listening.
for ((tries = 0; ; tries++)); do
  [[ -e $dir/endpoint.json ]] && break
  if ((tries == 200)) || ! kill -0 "$cloud_pid" 2>/dev/null; then
    echo "demo.sh: the cloud application did not start" >&2
    exit 1
  fi
  sleep 0.05
done

LD_LIBRARY_PATH="$libdir:$dir" "$host" "$dir/endpoint.json" "$dir/ca.pem" &
host_pid=$!

# If one fails, the other would wait in vain; if one ends well, the other was told to end, too.
wait -n "$cloud_pid" "$host_pid" || exit 1
status=0
wait "$cloud_pid" || status=1
wait "$host_pid" || status=1
((status == 0)) || exit "$status"

echo
echo "━━ 10. An outage: the endpoint is killed in the middle, then the host; what was accepted arrives all the same"
down=$dir/outage
mkdir "$down"
# Nothing is typed, but it does not end either.
mkfifo "$down/typed"
exec 9<>"$down/typed"
cloud() { # log, further flags
  local log=$1
  shift
  rm -f "$down/endpoint.json"
  "$cloud_app" --dir "$down" --json "$@" <&9 >"$log" &
  cloud_pid=$!
  until [[ -e $down/endpoint.json ]]; do
    kill -0 "$cloud_pid"
    sleep 0.05
  done
}
run_host() { # first job, number of jobs; in a process of its own, which becomes the host
  exec env LD_LIBRARY_PATH="$libdir:$dir" "$outage" "$down/endpoint.json" "$down/ca.pem" "$down/outbox.db" "$@"
}
lines() { # pattern, least number, file: waits for so many
  for ((tries = 0; $(grep -c "$1" "$3" || true) < $2; tries++)); do
    ((tries < 400)) || exit 1
    sleep 0.05
  done
}
# What is killed here is not to be spoken of by the shell.
put_down() {
  kill -9 "$1"
  wait "$1" 2>/dev/null || true
}
touch "$down/accepted"
cloud "$down/before.log"
port=$(sed 's/.*:\([0-9]*\)\/.*/\1/' <<<"$(grep -o 'wss://[^"]*' "$down/endpoint.json")")
run_host 1 100000 >"$down/accepted" &
host_pid=$!
lines accepted 100 "$down/accepted"
lines '"jobId"' 1 "$down/before.log"
put_down "$cloud_pid"
echo "cloud │ killed (-9)    $(grep -c accepted "$down/accepted") notifications accepted so far"
lines accepted 300 "$down/accepted"
put_down "$host_pid"
accepted=$(grep -c accepted "$down/accepted")
echo "host  │ killed (-9)    $accepted notifications accepted so far"
cloud "$down/after.log" --listen "127.0.0.1:$port" --cert-from "$down"
echo "both  │ started again  with the same store"
run_host 0 0 | sed 's/^/host  │ /'
put_down "$cloud_pid"
arrived() {
  cat "$down"/before.log "$down"/after.log | grep -o '"jobId":[0-9]*' | cut -d: -f2 | sort -u
}
lost=$(comm -23 <(sed -n 's/^accepted //p' "$down/accepted" | sort -u) <(arrived) | wc -l)
echo "count │ $accepted accepted, $(arrived | wc -l) arrived, $lost lost"
((lost == 0))
