#!/usr/bin/env bash
# Fuzzes what a peer can send for a while: fuzz.sh [SECONDS]. Starts from the corpus of known tricks.
# libFuzzer's instrumentation is behind a compiler flag that stable Rust takes with RUSTC_BOOTSTRAP.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}

export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
cargo build --manifest-path fuzz/Cargo.toml --release --target x86_64-unknown-linux-gnu --target-dir target/fuzz

corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
n=0
while IFS= read -r line; do
  printf '%s' "$line" >"$corpus/seed-$((n++))"
done < <(cut -d' ' -f2- tests/corpus/uris.txt; cat tests/corpus/messages.txt)
target/fuzz/x86_64-unknown-linux-gnu/release/peer -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 "$corpus"
