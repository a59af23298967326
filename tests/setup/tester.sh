# tester.sh: the ordinary user that tests run as where root starts them: a copy of the checkout for
# it, and its environment. Sourced by run.sh, which sets $state and `engines`.
# shellcheck shell=bash

# What a command of the ordinary user gets from our environment: the way out of this network.
outside() {
  local name
  for name in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy PIP_INDEX_URL \
    UV_DEFAULT_INDEX UV_INDEX_URL PYTEST_ADDOPTS JC_TEST_ENGINES JC_REQUIRE_ENGINES \
    JC_CONTRACT_FILE; do
    [ -z "${!name:-}" ] || printf '%s=%s\n' "$name" "${!name}"
  done
  if [ -n "${SSL_CERT_FILE:-}" ]; then
    install -m 644 "$SSL_CERT_FILE" "$state/run/ca.crt"
    for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE; do
      printf '%s=%s\n' "$name" "$state/run/ca.crt"
    done
  fi
}

# A copy of this checkout, and a virtual environment around it, that anybody can read.
copy() {
  local stamp
  rm -rf "$state/src"
  mkdir -p "$state/src"
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
  else
    find . -type f -not -path './.venv/*' -not -path './node_modules/*' -not -path './build/*' -print0
  fi | tar --null --files-from - --ignore-failed-read -c 2>/dev/null | tar -x -C "$state/src"
  cp -r jupyter_containers/labextension "$state/src/jupyter_containers/"
  install -D -m 644 -t "$state/src/node_modules/axe-core" node_modules/axe-core/axe.min.js
  chmod -R a+rX "$state/src"
  stamp=$(cat pyproject.toml .venv/pyvenv.cfg | sha256sum)
  if [ "$(cat "$state/venv/.stamp" 2>/dev/null)" != "$stamp" ]; then
    say "a virtual environment for the ordinary user"
    rm -rf "$state/venv"
    (umask 022 && python -m venv "$state/venv")
    (umask 022 && HATCH_JUPYTER_BUILDER_SKIP_NPM=1 "$state/venv/bin/python" -m pip install -q \
      -e "$state/src[test]")
    echo "$stamp" >"$state/venv/.stamp"
  fi
  share
}

# What Jupyter finds beside the package, as it is now: an editable install holds copies of it.
share() {
  local from=$state/src/jupyter_containers to=$state/venv extension
  extension=$to/share/jupyter/labextensions/jupyter-containers
  rm -rf "$extension"
  install -d "$to/share/jupyter/kernels" "$to/etc/jupyter/jupyter_server_config.d"
  cp -r "$from/labextension" "$extension"
  cp "$state/src/install.json" "$extension/"
  cp -r "$from/kernelspec/container" "$to/share/jupyter/kernels/"
  cp "$from/jupyter_server_config.d/"*.json "$to/etc/jupyter/jupyter_server_config.d/"
  chmod -R a+rX "$to/share/jupyter" "$to/etc/jupyter"
}

# The ordinary user's streams share neither sockets nor what is remembered about engines: STREAM
# names their directories (rootless podman needs the user's real ones: `.`).
as_tester() { # STREAM COMMAND...
  local env home=/home/jupyter-containers-test uid
  mapfile -t env < <(outside)
  if [ "$1" != . ]; then
    uid=$(id -u jupyter-containers-test)
    install -d -m 700 -o jupyter-containers-test "/run/user/$uid/$1" "$home/.cache" "$home/.cache/$1"
    env+=(XDG_RUNTIME_DIR="/run/user/$uid/$1" XDG_CACHE_HOME="$home/.cache/$1")
  fi
  (cd "$state/src" && engines as-tester "${env[@]}" PATH="$state/venv/bin:/usr/bin:/bin" \
    UV_CACHE_DIR="$home/.cache/uv" JC_TEST_ENGINES_FILE="$state/run/engines-user.json" "${@:2}")
}
