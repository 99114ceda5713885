#!/usr/bin/env bash
# From the base model and the data to the shipped cross-encoder bundle: about 30 minutes on two CPU cores.
#   recipe/make_cross_encoder.sh BASE_MODEL_FOLDER ../shared/data/chorus-icecat [OUT]
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:?the folder of all-MiniLM-L6-v2} data=${2:?the folder chorus-icecat} out=${3:-build/cross-encoder}
python=${PYTHON:-python}
rerank=${RERANK:-rerank}

"$python" -m recipe.build_pairs "$data" "$out/pairs"
"$rerank" train recipe/foundation.toml --base "$base" --data "$out/pairs/foundation.jsonl.gz" --out "$out/foundation"
"$rerank" train recipe/cross_encoder.toml --base "$out/foundation" --data "$out/pairs/final.jsonl.gz" --out "$out/final"
"$rerank" export-onnx "$out/final" "$out/fp32"
"$rerank" quantize "$out/fp32" "$out/int8"
"$rerank" export-onnx "$out/foundation" "$out/foundation-fp32"  # for recipe.cross_validate

if [ -n "${FOLDS:-}" ]; then  # FOLDS=1: the models of the cross-validation too, two minutes each
    for fold in 0 1 2 3 4; do
        "$rerank" train recipe/cross_encoder.toml --base "$out/foundation" \
            --data "$out/pairs/fold-$fold.jsonl.gz" --out "$out/fold-$fold"
        "$rerank" export-onnx "$out/fold-$fold" "$out/folds/$fold"
    done
fi
