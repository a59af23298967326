#!/bin/bash
# run.sh test|bench: every check on real engines, which are started first and stopped in any case.
#
# As root, the tests run as an ordinary user made for it (rootless podman, docker by its group),
# from a copy of this checkout which that user can read; those of kernels and builds again on
# Docker 20.10 and as root (rootful podman, docker). As an ordinary user all run once, on what
# there is.
# PYTEST_ADDOPTS goes to pytest, BENCH_ARGS to the bench; JC_TEST_ENGINES picks engines (podman,docker,docker20).
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/lib.sh"
. "$here/tester.sh"
cd "$here/../.."
what=${1:-test}
export PATH=$PWD/.venv/bin:$PATH
root() { [ "$(id -u)" = 0 ]; }

state=${JC_TEST_STATE:-/var/tmp/jupyter-containers-test}
root || state=${JC_TEST_STATE:-${XDG_CACHE_HOME:-$HOME/.cache}/jupyter-containers-test}
mkdir -p -m 755 "$state"
[ -O "$state" ] && [ ! -L "$state" ] || die "$state belongs to somebody else"
engines() { "$here/engines.sh" "$1" "$state" 9>&- "${@:2}"; }

# What differs between versions of an engine and between root and others; the rest is the same.
# The browser's tests (tests/ui) run once, as the ordinary user, when the others are done.
core="tests/contract/kernels tests/contract/clients/test_notebooks.py"
process_core="tests/contract/kernels tests/contract/clients/test_run.py
  tests/contract/clients/test_widgets.py tests/contract/clients/test_languages.py
  tests/contract/clients/test_debugger.py"
# Of an image and of a client: the same on every engine that is a process.
image_core="tests/contract/clients/test_clients.py tests/contract/images/test_probe.py"
# Not of Shifter: it shows a container all processes, and these tests read no site's registry.
server_core="tests/contract/clients/test_notebooks.py tests/contract/images/test_bootstrap.py tests/server/test_conversions.py"

failed=()
check() { # NAME COMMAND...
  local name=$1
  shift
  say "$name"
  "$@" || failed+=("$name")
}

# Tests wait more than they compute, so each engine has a stream of its own. A stream's output is
# shown when it has ended; the foreground shows its own meanwhile.
streams=()
beside() { # FUNCTION: in the background, with its own list of failed checks
  local log=$state/run/stream-$1
  set -m # a process group of its own, for `stop_streams`
  (
    failed=()
    trap - EXIT
    "$1"
    printf '%s\n' "${failed[@]}" >"$log.failed"
  ) >"$log" 2>&1 </dev/null &
  set +m
  streams+=("$!:$log")
}

stop_streams() {
  local one
  for one in "${streams[@]}"; do
    kill -- "-${one%%:*}" 2>/dev/null || true
  done
}

join_streams() {
  local one name
  for one in "${streams[@]}"; do
    wait "${one%%:*}" || failed+=("${one#*stream-} did not come to its end")
    cat "${one#*:}"
    while read -r name; do
      [ -z "$name" ] || failed+=("$name")
    done <"${one#*:}.failed" || true
  done
  streams=()
}

# pytest's 5 is "no test selected": right for one of two runs where somebody selects, else wrong.
# With JC_RETRY=1, as in CI, what failed on a machine that is busy with all streams at once is tried
# a second time, and said so.
selected() {
  local code=0
  "$@" || code=$?
  if [ "$code" = 1 ] && [ "${JC_RETRY:-}" = 1 ]; then
    code=0
    warn "once more what failed: see above"
    "$@" --last-failed --last-failed-no-failures none || code=$?
    [ "$code" != 5 ] || code=1 # it was no test that failed
  fi
  [ "$code" = 0 ] || { [ "$code" = 5 ] && [ -n "${PYTEST_ADDOPTS:-}" ]; }
}

as_us() { # COMMAND...
  env JC_TEST_ENGINES_FILE="$state/run/engines-user.json" "$@"
}

# NAME ENGINE STREAM PYTEST-ARGUMENTS...: of the ordinary user
user_tests() {
  check "tests as an ordinary user: $1" selected as_tester "$3" \
    env JC_TEST_ENGINES="$2" python -m pytest -o cache_dir="$state/src/.tried-$3" "${@:4}"
}

# With rootless podman, and only where nobody picked other engines. JC_TEST_UI=no leaves them out.
wants_ui() {
  [ "${JC_TEST_UI:-yes}" != no ] || {
    warn "the tests in a browser are left out (JC_TEST_UI=no)"
    return 1
  }
  [[ ,${JC_TEST_ENGINES:-podman}, == *,podman,* ]]
}

keep_screenshots() {
  mkdir -p build/screenshots
  cp -r "$state/src/build/screenshots/." build/screenshots/ 2>/dev/null || true
}

root_tests() { # NAME ENGINE PYTEST-ARGUMENTS...
  # This person's own kernels are none of the tests' business. The path of sockets must be short.
  local sockets=/run/jupyter-containers-test/$2
  mkdir -p -m 700 "$sockets"
  check "tests as root: $1" selected env XDG_RUNTIME_DIR="$sockets" \
    XDG_CACHE_HOME="$state/run/xdg/$2" JC_TEST_ENGINES="$2" \
    JC_TEST_ENGINES_FILE="$state/run/engines-root.json" \
    python -m pytest -o cache_dir="$state/run/tried-$2" "${@:3}"
}

# People of a Hub are made for it; its servers run from the ordinary user's virtual environment.
as_hub() { # NAME COMMAND...
  env XDG_CACHE_HOME="$state/run/xdg/$1" JC_TEST_ENGINES_FILE="$state/run/engines-root.json" \
    JC_TEST_PACKAGES="$(echo "$state"/venv/lib/python3*/site-packages)" "${@:2}"
}

hub_tests() { # NAME PYTEST-ARGUMENTS...
  check "JupyterHub: $1" selected as_hub "$1" \
    python -m pytest -o cache_dir="$state/run/tried-$1" "${@:2}"
}

ui_tests() {
  if root; then
    user_tests "in a browser" podman . tests/ui
    user_tests "in a browser: apptainer" apptainer p tests/ui/test_run_all.py -k runs_the_cells
    user_tests "in a browser: a queue" slurm+charliecloud s tests/ui/test_queue.py
    keep_screenshots
  else
    check "tests in a browser" selected as_us \
      env JC_TEST_ENGINES=podman python -m pytest tests/ui
  fi
}

checks() {
  check "lint" make --silent lint
  check "unit tests of the front end" npm --silent test
}

# Engines that run what another built get their images first, by our own command.
process_tests() { # ENGINE TESTS...
  check "images for $1" as_tester p python tests/setup/convert_images.py "$1"
  user_tests "$1" "$1" p -m engine $(ls -d "tests/engines/$1" 2>/dev/null) "${@:2}"
}

pyxis_tests() {
  check "images for slurm+pyxis" as_tester p python tests/setup/convert_images.py slurm+pyxis
  user_tests "slurm+pyxis" slurm+pyxis s -m engine tests/contract/kernels
}

# Three streams that take about as long as each other on a machine of two cores.
podman_stream() {
  checks
  user_tests "what needs no engine" podman o -m "not engine" --ignore=tests/hub
  user_tests "podman" podman . -m engine --ignore=tests/ui
  hub_tests own-engines tests/hub --ignore=tests/hub/test_slurm.py
}

docker_stream() {
  user_tests "docker" docker d -m engine --ignore=tests/ui --ignore=tests/contract/images/test_kit.py \
    --ignore=tests/server/test_adoption.py
  user_tests "docker 20.10" docker20 v -m engine $core tests/contract/builds
  root_tests "docker 20.10" docker20 -m engine tests/contract/kernels
  root_tests "devices on docker" docker -m engine tests/contract/kernels/test_devices.py
  root_tests "podman" podman -m engine $core tests/contract/builds/test_{running,layers}.py \
    --deselect tests/contract/clients/test_notebooks.py::test_speech_to_text # a minute of compiling, as rootless
}

# What runs others' images; those that Slurm places come after what converts their images.
process_stream() {
  process_tests apptainer $process_core $image_core $server_core
  process_tests charliecloud $process_core $server_core
  user_tests "slurm+charliecloud" slurm+charliecloud s -m engine tests/contract/kernels tests/server/test_queue.py
  user_tests "slurm+apptainer" slurm+apptainer s -m engine tests/contract/kernels/test_{jobs,job_ends,running}.py
  hub_tests servers-in-jobs tests/hub/test_slurm.py
  if [ -n "${JC_TEST_PYXIS:-}" ]; then pyxis_tests; fi
  if command -v enroot >/dev/null; then process_tests enroot $process_core $image_core $server_core; fi
  if command -v podman-hpc >/dev/null; then
    process_tests podman-hpc $process_core $image_core $server_core
  fi
  if command -v shifter >/dev/null; then process_tests shifter $process_core $image_core; fi
}

# Which engine keeps which promise of tests/contract/kernels; no check of its own.
promises() {
  [ -s "$state/promises" ] || return 0
  say "what a kernel in a container is promised, by engine"
  python -m tests.contract "$state/promises"
}

test_all() {
  rm -rf build/screenshots
  if root && [ -z "${JC_TEST_ENGINES:-}" ]; then
    beside docker_stream
    beside process_stream
    podman_stream
    join_streams
  else
    checks
    if root; then
      user_tests "$JC_TEST_ENGINES" "$JC_TEST_ENGINES" . --ignore=tests/ui --ignore=tests/hub
    else
      check "tests" selected as_us python -m pytest --ignore=tests/ui
    fi
  fi
  if wants_ui; then ui_tests; fi
  promises
  check "nothing is left on the engines" engines leftovers
}

# Each of the two kinds of engines where its images are.
bench() {
  local one daemons=() others=()
  local measured=podman,docker,apptainer,charliecloud,slurm+charliecloud,slurm+apptainer
  mkdir -p build
  if ! root; then
    check "bench" as_us python -m tests.bench ${BENCH_ARGS:-}
    return
  fi
  for one in $(tr , ' ' <<<"${JC_TEST_ENGINES:-$measured}"); do
    case $one in
    podman | docker | docker20) daemons+=("$one") ;;
    slurm+*) others+=("$one") ;; # their images are those of the engines they place
    *)
      check "images for $one" as_tester p python tests/setup/convert_images.py "$one"
      others+=("$one")
      ;;
    esac
  done
  measure . bench.json "${daemons[@]}"
  measure p bench-processes.json "${others[@]}"
  [ -n "${JC_TEST_ENGINES:-}" ] || check "bench: hub" as_hub hub python -m tests.bench.hub
}

measure() { # STREAM FILE ENGINES...
  [ $# -gt 2 ] || return 0
  check "bench: ${*:3}" as_tester "$1" env JC_TEST_ENGINES="$(tr ' ' , <<<"${*:3}")" \
    python -m tests.bench --json "build/$2" ${BENCH_ARGS:-}
  cp "$state/src/build/$2" build/ 2>/dev/null || true
}

# In a function, so that editing this file does not trip a run of it.
main() {
  # The user and the bridges are the machine's, so root's lock is too, wherever the state is.
  lock=$state/lock
  if root; then mkdir -p /run/lock && lock=/run/lock/jupyter-containers-test; fi
  exec 9>"$lock"
  flock --nonblock 9 || {
    say "another run is going on: waiting for its end"
    flock 9
  }
  # JC_THROWN_AWAY=1, as in CI: the machine is, so nobody waits for its disk to be cleared.
  [ "${JC_THROWN_AWAY:-}" = 1 ] && ending=stop || ending=down
  trap 'stop_streams; engines "$ending"' EXIT
  trap 'exit 130' INT TERM HUP
  engines down
  local copying=
  if root; then copy & copying=$!; fi # beside it: half of both is waiting for a network
  engines up
  (umask 0 && : >"$state/promises")
  export JC_CONTRACT_FILE=$state/promises
  if root; then
    wait "$copying"
    chown -R jupyter-containers-test: "$state/src"
  fi
  if [ "$what" = bench ]; then bench; else test_all; fi

  if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}" >&2
    exit 1
  fi
  say "all passed"
}

main
exit
