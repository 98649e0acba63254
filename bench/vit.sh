#!/usr/bin/env bash
# Times the backbone beside PyTorch, in turns within one run. Needs Python 3 (for PyTorch, in an environment of
# its own below out/), 3 GB of disk and 8 GB of memory; writes bench/results/vit.json.
set -euo pipefail
cd "$(dirname "$0")/.."
python=out/bench-python-torch
if [ ! -x "$python/bin/python" ]; then
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet torch numpy safetensors
fi
program=$(cargo bench --bench vit --no-run --message-format json |
    sed -n '/"kind":\["bench"\]/s/.*"executable":"\([^"]*\)".*/\1/p')
mkdir -p bench/results
"$python/bin/python" bench/vit.py "$program" --out bench/results/vit.json "$@"
