# python.sh: the virtual environment of development and tests. Sourced by tools.sh and run.sh.
# shellcheck shell=bash
#
# As root it lies in $state, where the ordinary user that runs tests can read it too: `.venv` leads
# there. Its `.pth` names this checkout and then $state/src, the copy for whoever cannot read it.

usable() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# The system's Python first: an ordinary user, as whom tests run too, can read it.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} /usr/bin/python3 python3.13 python3.12 python3.11 python3; do
    candidate=$(command -v "$candidate") && usable "$candidate" && echo "$candidate" && return
  done
  return 1
}

# uv reads none of pip's configuration: what this machine's pip is told, uv is told.
pips_settings() {
  local pip=.venv/bin/pip
  configured() { "$pip" config list | sed -n "s/^\(global\|install\|:env:\)\.$1='\(.*\)'$/\2/p" | tail -n 1; }
  export UV_INDEX_STRATEGY=unsafe-best-match
  export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$(configured index-url)}
  export UV_INDEX=${UV_INDEX:-$(configured extra-index-url | sed 's/\\n/ /g')}
  export UV_FIND_LINKS=${UV_FIND_LINKS:-$(configured find-links | sed 's/\\n/,/g; s/ /,/g')}
  export UV_CONSTRAINT=${UV_CONSTRAINT:-$(configured constraint)}
  export SSL_CERT_FILE=${SSL_CERT_FILE:-$(configured cert)}
  local name
  for name in UV_DEFAULT_INDEX UV_INDEX UV_FIND_LINKS UV_CONSTRAINT SSL_CERT_FILE; do
    [ -n "${!name}" ] || unset "$name"
  done
}

new_environment() {
  local python place=.venv
  python=$(find_python) || {
    packages python3 python3-venv
    python=$(find_python) || die "Python 3.11 or newer is needed; here is $(python3 --version)"
  }
  say "creating .venv with $("$python" --version)"
  rm -rf .venv
  if [ "$(id -u)" = 0 ]; then
    mkdir -p -m 755 "$state"
    place=$state/venv
    rm -rf "$place"
  fi
  (umask 022 && "$python" -m venv "$place")
  [ "$place" = .venv ] || ln -s "$place" .venv
}

# environment EXTRA: what pyproject.toml says, once until it changes. Another checkout's is another's.
environment() {
  local stamp
  stamp="$PWD $1 $(cat pyproject.toml "$here/python.sh" | sha256sum)"
  [ "$(cat .venv/.ready 2>/dev/null)" != "$stamp" ] || return 0
  case $(cat .venv/.ready 2>/dev/null) in "$PWD "*) ;; *) new_environment ;; esac
  say "installing jupyter-containers with its $1 and lint packages into .venv"
  (
    umask 022
    pips_settings
    .venv/bin/python -m pip install -q 'uv>=0.5'
    # jsonschema does without it, and where it is, every server and every test run compiles its
    # grammar first: a second or two. No schema here has a format that asks for it.
    echo 'rfc3987-syntax; python_version < "3"' >.venv/.without
    HATCH_JUPYTER_BUILDER_SKIP_NPM=1 VIRTUAL_ENV=$(readlink -f .venv) .venv/bin/uv pip install -q \
      --compile-bytecode --overrides .venv/.without -e ".[$1,lint]"
    if [ "$(id -u)" = 0 ]; then
      echo "$state/src" >"$(echo .venv/lib/python3*/site-packages)/zz-copy-for-the-tests.pth"
    fi
  )
  echo "$stamp" >.venv/.ready
}

# labs DIRECTORY: environments of other JupyterLabs, and of others' extensions, for tests/soak. Each
# has our package as a user gets it.
labs() {
  local -A needs=(
    [lab44]='jupyterlab==4.4.* notebook==7.4.*'
    [lab45]='jupyterlab==4.5.* notebook==7.5.*'
    [ai]='jupyterlab jupyter-ai>=3'
    [beside]='jupyterlab jupyterlab-git jupyter-resource-usage jupyterlab-execute-time
      jupyterlab-lsp python-lsp-server[pyflakes]'
  )
  local name
  rm -rf "$1"
  (
    umask 022
    pips_settings
    HATCH_JUPYTER_BUILDER_SKIP_NPM=1 .venv/bin/uv build -q --wheel -o "$1/wheel"
    for name in "${!needs[@]}"; do
      .venv/bin/uv venv -q --python .venv/bin/python "$1/$name"
      # shellcheck disable=SC2086
      .venv/bin/uv pip install -q --python "$1/$name" "$1"/wheel/*.whl ${needs[$name]}
    done
  )
}

# executors DIRECTORY: extensions of JupyterLab that run cells on the server, for tests/ui. Each has a
# prefix with what it needs beside the environment, since no two of them fit into one.
executors() {
  local -A needs=(
    [collaboration]='jupyter-collaboration>=5,<6'
    [nbmodel]='jupyter-collaboration>=5,<6 jupyter-server-nbmodel>=0.2.9,<0.3'
    [documents]='jupyter-server-documents>=0.3.3,<0.4'
  )
  local name
  rm -rf "$1"
  (
    umask 022
    pips_settings
    VIRTUAL_ENV=$(readlink -f .venv)
    export VIRTUAL_ENV
    mkdir -p "$1"
    # Nothing that is in the environment, and no pyarrow, of which nothing here makes use.
    { .venv/bin/uv pip freeze -q | sed -n 's/==.*//p'; echo rfc3987-syntax; echo pyarrow; } |
      sed 's/$/; python_version < "3"/' >"$1/without"
    for name in "${!needs[@]}"; do
      # shellcheck disable=SC2086
      .venv/bin/uv pip install -q --python .venv/bin/python --prefix "$1/$name" \
        --overrides "$1/without" ${needs[$name]}
    done
  )
}
