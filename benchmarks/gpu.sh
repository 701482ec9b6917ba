#!/usr/bin/env bash
# Runs gpu.py on a machine with a GPU, Python 3.12 and JAX, from which nothing can be reached:
#   make bench-wheels                        beforehand, where packages can be downloaded
#   bash benchmarks/gpu.sh OUT [--quick …]   there, in a copy of the tree with benchmarks/wheels/; writes OUT/gpu.json
# The numbers are kept by copying that file to benchmarks/results/.
set -euo pipefail
out=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
site=$(mktemp -d)
python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target "$site" benchmarks/wheels/*.whl
PYTHONPATH="$site:$PWD" python3 -u benchmarks/gpu.py --output "$out/gpu.json" "$@"
