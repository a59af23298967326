#!/bin/bash
# clean.sh: remove all that the other targets made, the cache of the tests included.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
cd "$here/../.."
state=${JC_TEST_STATE:-/var/tmp/jupyter-containers-test}
[ "$(id -u)" = 0 ] || state=${JC_TEST_STATE:-${XDG_CACHE_HOME:-$HOME/.cache}/jupyter-containers-test}
if [ -O "$state" ] && [ ! -L "$state" ]; then
  "$here/engines.sh" down "$state"
  rm -rf "$state"
fi
rm -rf .venv build dist node_modules labextension/lib labextension/*.tsbuildinfo \
  jupyter_containers/labextension .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
find jupyter_containers tests -name __pycache__ -prune -exec rm -rf {} +
