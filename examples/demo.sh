#!/usr/bin/env bash
# A backup host and a cloud application talk to each other, and both show what they see.
#
#   demo.sh LIBDIR CLOUD_APP HOST
#
# LIBDIR holds libnbwss.so; CLOUD_APP and HOST are the two built examples. What the cloud application does is in
# demo.script. The exit status is 0 only if both ended with 0.
set -euo pipefail

if [[ $# -ne 3 ]]; then
  echo "usage: demo.sh LIBDIR CLOUD_APP HOST" >&2
  exit 2
fi
libdir=$(cd "$1" && pwd)
cloud_app=$2
host=$3
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
exit "$status"
