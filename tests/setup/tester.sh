# tester.sh: the ordinary user that tests run as where root starts them: a copy of the checkout for
# it, and its environment variables. Sourced by run.sh, which sets $state and `engines`.
# shellcheck shell=bash

# What a command of the ordinary user gets from our environment: the way out of this network.
outside() {
  local name
  for name in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy PIP_INDEX_URL \
    UV_DEFAULT_INDEX UV_INDEX_URL UV_INDEX UV_FIND_LINKS PYTEST_ADDOPTS JC_TEST_ENGINES JC_REQUIRE_ENGINES \
    JC_CONTRACT_FILE JC_DURATIONS PYTEST_DEBUG_TEMPROOT; do
    [ -z "${!name:-}" ] || printf '%s=%s\n' "$name" "${!name}"
  done
  if [ -n "${SSL_CERT_FILE:-}" ]; then
    mkdir -p "$state/run"
    install -m 644 "$SSL_CERT_FILE" "$state/run/ca.crt"
    for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE; do
      printf '%s=%s\n' "$name" "$state/run/ca.crt"
    done
  fi
}

# A copy of this checkout that anybody can read.
copy() {
  rm -rf "$state/src"
  mkdir -p "$state/src"
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
  else
    find . -type f -not -path './.venv/*' -not -path './node_modules/*' -not -path './build/*' -print0
  fi | tar --null --files-from - --ignore-failed-read -c 2>/dev/null | tar -x -C "$state/src"
  if [ -d jupyter_containers/labextension ]; then
    cp -r jupyter_containers/labextension "$state/src/jupyter_containers/"
  fi
  if [ -d node_modules/axe-core ]; then
    install -D -m 644 -t "$state/src/node_modules/axe-core" node_modules/axe-core/axe.min.js
  fi
  chmod -R a+rX "$state/src"
  chown -R jupyter-containers-test: "$state/src"
}

# The ordinary user's streams share neither sockets nor what is remembered about engines: STREAM
# names their directories (rootless podman needs the user's real ones: `.`). `u` has podman's second
# storage.
as_tester() { # STREAM COMMAND...
  local env home=/home/jupyter-containers-test uid which=user
  mapfile -t env < <(outside)
  if [ "$1" != . ]; then
    uid=$(id -u jupyter-containers-test)
    install -d -m 700 -o jupyter-containers-test "/run/user/$uid/$1" "$home/.cache" "$home/.cache/$1"
    env+=(XDG_RUNTIME_DIR="/run/user/$uid/$1" XDG_CACHE_HOME="$home/.cache/$1")
  fi
  if [ "$1" = u ]; then
    which=second
    env+=(CONTAINERS_STORAGE_CONF="$state/run/podman/second.conf")
  fi
  (cd "$state/src" && engines as-tester "${env[@]}" PATH="$state/venv/bin:/usr/bin:/bin" \
    PYTHONPATH="$state/src" \
    UV_CACHE_DIR="$home/.cache/uv" JC_TEST_ENGINES_FILE="$state/run/engines-$which.json" "${@:2}")
}
