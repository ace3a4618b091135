#!/bin/sh
# usage: engines.sh TARGET
# The plug-ins inside the released engines, without a GPU: an environment of its own in TARGET/engines with the wheels of
# vLLM and SGLang, not with all that they depend on, but with what importing the parts that plan asks for (7 GB; torch
# brings most of it). Where the wheels cannot be had it says so, and is no failure. PYTHON names another interpreter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$1" && pwd)
venv=$target/engines
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
unset PYTHONPATH EPLB_LIBRARY

if [ ! -f "$venv/complete" ]; then
  "${PYTHON:-python3}" -m venv --clear "$venv"
  { "$venv/bin/pip" install -q torch==2.14.0 transformers==5.19.0 -r "$here/requirements.txt" \
    && "$venv/bin/pip" install -q --no-deps vllm==0.33.0 sglang==0.5.23 && touch "$venv/complete"; } || {
    echo "engines      the wheels of vLLM 0.33.0 and SGLang 0.5.23 cannot be had here: skipped"
    exit 0
  }
fi
"$venv/bin/pip" install -q --no-deps --force-reinstall "$target"/wheel/eplb*.whl
cd "$venv"
for engine in vllm_ranks sglang_ranks; do
  echo "\$ python $engine.py"
  "$venv/bin/python" "$here/$engine.py" 2> "$engine.log" || { tail -40 "$engine.log"; exit 1; }
done
