#!/usr/bin/env bash
# From the base model and the data to the shipped cross-encoder bundle, OUT/int8, measured: a teacher of six layers in three
# stages, then a student of three. recipe/README.md says how long it takes.
#   recipe/make_cross_encoder.sh BASE_MODEL_FOLDER ../shared/data/chorus-icecat [OUT]
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:?the folder of all-MiniLM-L6-v2} data=${2:?the folder chorus-icecat} out=${3:-build/cross-encoder}
python=${PYTHON:-python}
rerank=${RERANK:-rerank}

train() { "$rerank" train "recipe/$1.toml" --base "$2" --data "$out/pairs/$3.jsonl.gz" --out "$out/$4"; }

"$python" -m recipe.build_pairs "$data" "$out/pairs"
train warm "$base" warm warm
train foundation "$out/warm" foundation foundation
train cross_encoder "$out/foundation" final final
"$rerank" export-onnx "$out/final" "$out/teacher"

taught=()
for name in warm foundation final; do
    "$rerank" data teach "$out/pairs/$name.jsonl.gz" "$out/pairs/taught-$name.jsonl.gz" --teacher "$out/teacher"
    taught+=(--data "$out/pairs/taught-$name.jsonl.gz")
done
"$rerank" train recipe/student.toml --base "$out/final" "${taught[@]}" --out "$out/student"
"$rerank" export-onnx "$out/student" "$out/fp32"
"$python" -m recipe.sample "$out/pairs/final.jsonl.gz" "$out/sample.jsonl.gz" --every 2
"$rerank" quantize "$out/fp32" "$out/int8" --candidates "$out/sample.jsonl.gz"

"$rerank" evaluate "$out/int8" --candidates "$out/pairs/dev.jsonl.gz" --baseline "$out/teacher" --html "$out/evaluation.html"
"$rerank" bench "$out/int8" "$out/fp32" "$out/teacher" --torch "$out/final" --threads 2 --window 100 \
    --cascade "$out/int8" "$out/teacher" 20 --cascade "$out/int8" "$out/teacher" 40 \
    --candidates "$out/pairs/dev.jsonl.gz" --html "$out/bench.html"

if [ -n "${FOLDS:-}" ]; then  # FOLDS=1: the teachers of recipe.cross_validate too, some minutes each
    "$rerank" export-onnx "$out/foundation" "$out/foundation-fp32"
    for fold in 0 1 2 3 4; do
        train cross_encoder "$out/foundation" "fold-$fold" "fold-$fold"
        "$rerank" export-onnx "$out/fold-$fold" "$out/folds/$fold"
    done
fi
