#!/usr/bin/env bash
# Times the two MediaPipe networks beside LiteRT (XNNPACK), one thread, in turns within one run.
# Needs the model files (`./handstream setup`) and Python 3 for LiteRT; writes bench/results/networks.json.
set -euo pipefail
cd "$(dirname "$0")/.."
models=${HANDSTREAM_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/handstream}/models
python=out/bench-python
if [ ! -x "$python/bin/python" ]; then
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet ai-edge-litert numpy
fi
program=$(cargo bench --bench networks --no-run --message-format json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
mkdir -p bench/results
"$python/bin/python" bench/networks.py "$program" "$models" --out bench/results/networks.json "$@"
