#!/bin/sh
# usage: test.sh TARGET [pytest arguments]
# Installs TARGET/wheel/*.whl into a new environment, as a user would, and runs the tests of the package and of the
# plug-ins against it from a folder outside the tree. PYTHON names another interpreter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$1" && pwd)
shift
venv=$target/python/venv
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
cd "$outside"

"${PYTHON:-python3}" -m venv --clear "$venv"
"$venv/bin/pip" install -q numpy pytest
"$venv/bin/pip" install -q mypy || echo "test.sh: mypy is not to be had: types are not checked"
echo "\$ pip install $(basename "$target"/wheel/eplb-*.whl)"
"$venv/bin/pip" install -q --no-deps "$target"/wheel/eplb-*.whl
unset PYTHONPATH EPLB_LIBRARY
export PYTHONDONTWRITEBYTECODE=1
cat > consumer.py << 'END'
import numpy as np
import eplb

load = np.random.default_rng(1).lognormal(size=(58, 256))
for policy in "balanced", "deepseek":
    plan = eplb.plan(load, 288, 1, 1, 32, policy=policy)
    print(policy, *(table.shape for table in plan[:3]), f"balance {plan.metrics.balance.mean():.4f}")
END
# from the sources: the library is built on the way; where it cannot be, one sentence says what to do
echo "\$ pip install $(basename "$target"/sdist/eplb-*.tar.gz)"
env -u CARGO_TARGET_DIR "$venv/bin/pip" install -q --no-deps --force-reinstall "$target"/sdist/eplb-*.tar.gz
"$venv/bin/python" consumer.py
echo "\$ pip install ./bindings/python"
CARGO_TARGET_DIR=$target "$venv/bin/pip" install -q --no-deps --force-reinstall "$here"
"$venv/bin/python" consumer.py
for source in "$here" "$target"/sdist/eplb-*.tar.gz; do
  ! CARGO=no-cargo "$venv/bin/pip" install -q --no-deps --force-reinstall "$source" > refusal 2>&1
  grep -o 'eplb: libeplb.* has to be built, but no-cargo not found: install Rust .*, make and a C compiler, or .*' refusal
done
"$venv/bin/pip" install -q --no-deps --force-reinstall "$target"/wheel/eplb-*.whl
echo "\$ python consumer.py    # in $outside"
"$venv/bin/python" consumer.py
EPLB_ROOT=$here/../.. "$venv/bin/python" -m pytest -q "$here/tests" "$@"
echo "\$ pip install eplb_vllm-*.whl eplb_sglang-*.whl"
"$venv/bin/pip" install -q --no-deps "$target"/wheel/eplb_*.whl
bindings=$(dirname "$here")
[ ! -x "$venv/bin/mypy" ] || "$venv/bin/mypy" --strict --ignore-missing-imports --cache-dir mypy -p eplb_vllm -p eplb_sglang
EPLB_ROOT=$here/../.. "$venv/bin/python" -m pytest -q -p no:cacheprovider --rootdir "$bindings" --confcutdir "$bindings" \
  "$bindings/vllm/tests" "$bindings/sglang/tests"
