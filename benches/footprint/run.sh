#!/usr/bin/env bash
# Prints what the library costs the process that it is a guest in. The cloud application is a process of its own.
#
#   run.sh LIBDIR CLOUD_APP
set -euo pipefail
libdir=$(cd "$1" && pwd)
cloud_app=$2
here=$(cd "$(dirname "$0")" && pwd)
starts=11
sessions=1000
idle_seconds=20

dir=$(mktemp -d)
clean_up() {
  { echo quit >&3; } 2>/dev/null || true
  wait
  rm -rf "$dir"
}
trap clean_up EXIT

gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -O2 -I"$here/../../include" "$here/footprint.c" -o "$dir/footprint" \
  -L"$libdir" -lnbwss -Wl,-rpath,"$libdir" -pthread
strip -o "$dir/stripped.so" "$libdir/libnbwss.so"

# It ends when it reads so.
mkfifo "$dir/lines"
ulimit -n "$(ulimit -H -n)"
"$cloud_app" --dir "$dir" --json --timeout 600 <"$dir/lines" >"$dir/events" &
exec 3>"$dir/lines"
until [[ -e $dir/endpoint.json ]]; do read -rt 0.05 <> <(:) || true; done

measure() { # sessions, seconds
  "$dir/footprint" "$dir/endpoint.json" "$dir/ca.pem" "$1" "$2"
}
figure() { # its name, on standard input what measure prints
  sed -n "s/.*$1 \([-0-9.]*\).*/\1/p"
}

first=$(for ((run = 0; run < starts; run++)); do measure 1 0 | figure first_ms; done | sort -n | sed -n "$((starts / 2 + 1))p")
one=$(measure 1 "$idle_seconds")
many=$(measure "$sessions" 0 | figure kib_per_session)
echo "shared library, stripped                        $(stat -c %s "$dir/stripped.so") bytes"
echo "threads with one session                        $(figure threads <<<"$one")"
echo "wake-ups in $idle_seconds s with an idle session            $(figure wake_ups <<<"$one")"
echo "memory for each of $sessions idle sessions         $many KiB"
echo "from options to the first session, $starts starts   $first ms"
