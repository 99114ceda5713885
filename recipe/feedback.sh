#!/usr/bin/env bash
# Learning from feedback: a simulated click log of the train queries retrains the shipped base; the gain is scored on dev.
#   recipe/feedback.sh BASE_MODEL_FOLDER ../shared/data/chorus-icecat hybrid.run [OUT]
# BASE_MODEL_FOLDER is a trained cross-encoder's folder (what `rerank train` wrote, not a bundle), hybrid.run the hybrid
# system's TREC run (`plugin evaluate ... --runs DIR`). SESSIONS=200 a query; how it is trained says feedback.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:?the folder of the cross-encoder to start from} data=${2:?the folder chorus-icecat}
run=${3:?the TREC run of the hybrid system} out=${4:-build/feedback}
python=${PYTHON:-python}
rerank=${RERANK:-rerank}
mkdir -p "$out"

"$python" -m recipe.click_model "$run" "$out/clicks.jsonl.gz" --queries "$data/queries.jsonl.gz" \
    --qrels "$data/qrels-pooled.tsv.gz" --split train --sessions "${SESSIONS:-200}"
"$python" -m recipe.feedback corpus "$data" "$out/corpus.jsonl.gz"
"$rerank" data build clicks "$out/clicks.jsonl.gz" "$out/pairs.jsonl.gz" --corpus "$out/corpus.jsonl.gz" --language en
"$rerank" train recipe/feedback.toml --base "$base" --data "$out/pairs.jsonl.gz" --out "$out/model"
"$rerank" export-onnx "$base" "$out/base-fp32"
"$rerank" export-onnx "$out/model" "$out/fp32"
"$python" -m recipe.feedback gain "$data" "$run" "$out/base-fp32" "$out/fp32"
