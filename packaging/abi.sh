#!/usr/bin/env bash
# Tells what abidiff compares, of a library with debug information: abi.sh LIBRARY. Functions and the types that they
# reach. A callback is an Option in Rust and a pointer that may be NULL in C, so what takes the one takes the other.
set -euo pipefail
abidw --suppressions "$(dirname "$0")/abi.ini" --no-show-locs --no-elf-needed --no-comp-dir-path --no-corpus-path \
  --no-parameter-names "$1" | sed '/<abi-instr/ { N; /<\/abi-instr>/ d }' | awk -F "'" '
  /<class-decl name=.Option&lt;unsafe extern/ { for (i = 1; i < NF; i++) if ($i == " id=") option = $(i + 1) }
  /<var-decl name=.__0/ && option { pointer[option] = $4; option = "" }
  { line[NR] = $0 }
  END {
    for (i = 1; i <= NR; i++) {
      split(line[i], part)
      if (line[i] ~ /<parameter/ && part[2] in pointer) sub(part[2], pointer[part[2]], line[i])
      print line[i]
    }
  }'
