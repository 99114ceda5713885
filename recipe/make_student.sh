#!/usr/bin/env bash
# From what make_cross_encoder.sh left to a three-layer student, quantized, and the Pareto plot of both with their cascades.
#   recipe/make_student.sh [OUT]        OUT as given to make_cross_encoder.sh, default build/cross-encoder
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/cross-encoder}
rerank=${RERANK:-rerank}

for name in warm foundation final; do
    "$rerank" data teach "$out/pairs/$name.jsonl.gz" "$out/pairs/taught-$name.jsonl.gz" --teacher "$out/fp32"
done
"$rerank" train recipe/student.toml --base "$out/final" --out "$out/student" \
    --data "$out/pairs/taught-warm.jsonl.gz" --data "$out/pairs/taught-foundation.jsonl.gz" --data "$out/pairs/taught-final.jsonl.gz"
"$rerank" export-onnx "$out/student" "$out/student-fp32"
"$rerank" quantize "$out/student-fp32" "$out/student-int8" --candidates "$out/sample.jsonl.gz"
"$rerank" evaluate "$out/student-int8" --candidates "$out/pairs/dev.jsonl.gz" --baseline "$out/fp32"
"$rerank" bench "$out/int8" "$out/student-int8" "$out/fp32" --torch "$out/final" --threads 2 --window 100 \
    --cascade "$out/student-int8" "$out/int8" 20 --cascade "$out/student-int8" "$out/int8" 40 \
    --candidates "$out/pairs/dev.jsonl.gz" --html "$out/pareto.html"
