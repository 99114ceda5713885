#!/usr/bin/env bash
# From the base model and the data to the shipped cross-encoder bundle, measured: under 40 minutes on two CPU cores.
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
"$rerank" export-onnx "$out/final" "$out/fp32"
"$python" -m recipe.sample "$out/pairs/final.jsonl.gz" "$out/sample.jsonl.gz" --every 2
"$rerank" quantize "$out/fp32" "$out/int8" --candidates "$out/sample.jsonl.gz"
"$rerank" evaluate "$out/int8" --candidates "$out/pairs/dev.jsonl.gz" --baseline "$out/fp32" --html "$out/evaluation.html"
"$rerank" bench "$out/int8" "$out/fp32" --torch "$out/final" --candidates "$out/pairs/dev.jsonl.gz" --html "$out/bench.html"

if [ -n "${FOLDS:-}" ]; then  # FOLDS=1: the models of recipe.cross_validate too, two minutes each
    "$rerank" export-onnx "$out/foundation" "$out/foundation-fp32"
    for fold in 0 1 2 3 4; do
        train cross_encoder "$out/foundation" "fold-$fold" "fold-$fold"
        "$rerank" export-onnx "$out/fold-$fold" "$out/folds/$fold"
    done
fi
