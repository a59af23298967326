#!/bin/bash
# demo.sh: an engine, a base image, and JupyterLab on the first notebook. LAB_ARGS goes to Lab.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/lib.sh"
cd "$here/../.."
export PATH=$PWD/.venv/bin:$PATH
demo=build/demo

engine_works() { docker version >/dev/null 2>&1 || podman info >/dev/null 2>&1; }

engine_works || packages podman runc uidmap slirp4netns fuse-overlayfs catatonit mmdebstrap
if ! docker version >/dev/null 2>&1 && [ -z "${CONTAINERS_CONF:-}" ]; then
  mkdir -p build
  podman_conf build/containers.conf
  if grep -q = build/containers.conf; then
    export CONTAINERS_CONF=$PWD/build/containers.conf
    warn "podman's defaults do not suit this machine; for commands by hand, type first:"
    warn "  export CONTAINERS_CONF=$CONTAINERS_CONF"
  fi
fi
# Only where no hub is reachable, and it is asked for then.
[ "$(id -u)" != 0 ] || packages mmdebstrap
jupyter-containers doctor
jupyter-containers bootstrap

# A copy, so that playing leaves the checkout clean.
mkdir -p "$demo"
cp --update=none notebooks/*.ipynb "$demo/" 2>/dev/null || cp -n notebooks/*.ipynb "$demo/"
arguments=()
[ "$(id -u)" != 0 ] || arguments+=(--allow-root)
[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || arguments+=(--no-browser)
# The address that is printed where no browser opens leads to the notebook, too.
arguments+=(--ServerApp.root_dir="$demo" --LabApp.default_url=/lab/tree/01-first-container.ipynb)
# shellcheck disable=SC2086
exec jupyter lab "${arguments[@]}" ${LAB_ARGS:-}
