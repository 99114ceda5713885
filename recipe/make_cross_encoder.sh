#!/usr/bin/env bash
# From the base model and the data to the shipped cross-encoder bundle, OUT/int8, measured. recipe/README.md says how long it takes.
#   recipe/make_cross_encoder.sh BASE_MODEL_FOLDER ../shared/data/chorus-icecat [OUT]
# LAYERS=6 keeps all layers of the base model. BESIDE=FOLDER benches what such a run made in the same loop.
# FOLDS=1 makes the models of recipe.cross_validate too.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:?the folder of all-MiniLM-L6-v2} data=${2:?the folder chorus-icecat} out=${3:-build/cross-encoder}
python=${PYTHON:-python}
rerank=${RERANK:-rerank}

"$python" -m recipe.build_pairs "$data" "$out/pairs"
recipes=recipe
if [ "${LAYERS:-3}" = 6 ]; then
    recipes=$out/recipes
    mkdir -p "$recipes"
    for stage in warm foundation cross_encoder; do
        sed '/^keep_layers/d; s/minilm-l3/minilm-l6/' "recipe/$stage.toml" >"$recipes/$stage.toml"
    done
fi
train() { "$rerank" train "$recipes/$1.toml" --base "$2" --data "$out/pairs/$3.jsonl.gz" --out "$out/$4"; }

train warm "$base" warm warm
train foundation "$out/warm" foundation foundation
train cross_encoder "$out/foundation" final final
"$rerank" export-onnx "$out/final" "$out/fp32"
"$python" -m recipe.sample "$out/pairs/final.jsonl.gz" "$out/sample.jsonl.gz" --every 2
"$rerank" quantize "$out/fp32" "$out/int8" --candidates "$out/sample.jsonl.gz"

"$rerank" evaluate "$out/int8" --candidates "$out/pairs/dev.jsonl.gz" --baseline "$out/fp32" --html "$out/evaluation.html"
bundles=("$out/int8" "$out/fp32") torch=$out/final cascades=()
if [ -n "${BESIDE:-}" ]; then
    bundles+=("$BESIDE/int8" "$BESIDE/fp32") torch=$BESIDE/final
    cascades=(--cascade "$out/int8" "$BESIDE/int8" 20 --cascade "$out/int8" "$BESIDE/int8" 40)
fi
"$rerank" bench "${bundles[@]}" "${cascades[@]}" --torch "$torch" --threads 2 --window 100 \
    --candidates "$out/pairs/dev.jsonl.gz" --html "$out/bench.html"

if [ -n "${FOLDS:-}" ]; then
    "$rerank" export-onnx "$out/foundation" "$out/foundation-fp32"
    for fold in 0 1 2 3 4; do
        train cross_encoder "$out/foundation" "fold-$fold" "fold-$fold"
        "$rerank" export-onnx "$out/fold-$fold" "$out/folds/$fold"
    done
fi
