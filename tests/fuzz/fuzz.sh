#!/usr/bin/env bash
# fuzz.sh PROGRAM WORK CORPUS CRASHES: runs one libFuzzer program for INFLIGHT_FUZZ_SECONDS (60 unless set).
# What it learns goes to WORK in the build tree, what breaks it to CRASHES, to be committed with the fix.
set -euo pipefail
program=$1 work=$2 corpus=$3 crashes=$4

folders=("$work")
mkdir -p "$work"
for folder in "$corpus" "$crashes"; do
    if [ -d "$folder" ]; then folders+=("$folder"); fi
done
dictionary=()
if [ -f "$corpus.dict" ]; then dictionary=("-dict=$corpus.dict"); fi

# libFuzzer needs the folder of its findings to exist; without a finding it is not kept.
mkdir -p "$crashes"
trap 'rmdir --ignore-fail-on-non-empty -p "$crashes" 2>/dev/null || true' EXIT

"$program" -max_total_time="${INFLIGHT_FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$crashes/" "${dictionary[@]}" "${folders[@]}"
