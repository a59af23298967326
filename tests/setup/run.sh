#!/bin/bash
# run.sh first|rest|soak|bench: what `make test`, `make test-all`, `make test-soak` and `make bench`
# do. Engines are started first, as few as are needed, and stopped in any case.
#
# As root, the tests run as an ordinary user made for it (rootless podman, docker by its group),
# from a copy of this checkout which that user can read, and those that differ for root as root. As
# an ordinary user all run once, on what there is. Which test runs on which engine, and at which
# level, stands in tests/levels.py.
#
# SHARD picks a part of `rest`: podman, docker, processes or browser. PYTEST_ADDOPTS goes to pytest,
# BENCH_ARGS to the bench; JC_TEST_ENGINES picks engines (podman,docker,docker20).
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
for part in lib python tester; do . "$here/$part.sh"; done
cd "$here/../.."
what=${1:-first} shard=${SHARD:-} temporary=
export PATH=$PWD/.venv/bin:$PATH
root() { [ "$(id -u)" = 0 ]; }

state=$(state_directory)
mkdir -p -m 755 "$state"
[ -O "$state" ] && [ ! -L "$state" ] || die "$state belongs to somebody else"
engines() { "$here/engines.sh" "$1" "$state" 9>&- "${@:2}"; }
in_shard() { [ -z "$shard" ] || [ "$shard" = "$1" ]; }

failed=()
check() { # NAME COMMAND...
  local name=$1 begun=$SECONDS
  shift
  say "$name"
  "$@" || failed+=("$name")
  say "$name: $((SECONDS - begun)) s"
}

# Tests wait more than they compute, so each engine has a stream of its own. A stream's output is
# shown when it has ended; the foreground shows its own meanwhile.
streams=()
beside() { # FUNCTION: in the background, with its own list of failed checks
  local log=$state/run/stream-$1
  mkdir -p "$state/run"
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
selected() {
  local code=0
  "$@" || code=$?
  [ "$code" = 0 ] || { [ "$code" = 5 ] && [ -n "${PYTEST_ADDOPTS:-}" ]; }
}

# NAME STREAM ENGINE PYTEST-ARGUMENTS...: of the ordinary user; the stream is in the durations too
user_tests() {
  local name=$1 stream=$2 engine=$3 # an empty one: no engine is asked for
  shift 3
  if root; then
    check "tests: $name" selected as_tester "$stream" env JC_TEST_ENGINES="$engine" \
      JC_TEST_LEVEL="$what" JC_STREAM="$name" python -m pytest \
      -p no:cacheprovider "$@"
  else
    check "tests: $name" selected env JC_TEST_ENGINES_FILE="$state/run/engines-user.json" \
      JC_TEST_ENGINES="$engine" JC_TEST_LEVEL="$what" JC_STREAM="$name" \
      python -m pytest "$@"
  fi
}

engine_tests() { # ENGINE STREAM PYTEST-ARGUMENTS...
  named_engine_tests "$1" "$@"
}

named_engine_tests() { # NAME ENGINE STREAM PYTEST-ARGUMENTS...
  user_tests "$1" "$3" "$2" -m engine --ignore=tests/ui --ignore=tests/hub --ignore=tests/unit "${@:4}"
}

# What is shown of a server, in a browser or without one, has a podman storage of its own. Notebooks
# that are run without one are shown there, too: podman's own stream would be the longest.
apart=(tests/contract/clients/test_run.py tests/contract/clients/test_languages.py)
server_stream() {
  ui_tests
  user_tests "the server on podman" u podman -m engine tests/server
  user_tests "notebooks run on podman" u podman -m engine "${apart[@]}"
}

root_tests() { # ENGINE PYTEST-ARGUMENTS...
  # This person's own kernels are none of the tests' business. The path of sockets must be short.
  local sockets=/run/jupyter-containers-test/$1
  mkdir -p -m 700 "$sockets"
  check "tests as root: $1" selected env XDG_RUNTIME_DIR="$sockets" \
    XDG_CACHE_HOME="$state/run/xdg/$1" JC_TEST_ENGINES="$1" JC_TEST_LEVEL="$what" \
    JC_STREAM="$1 as root" JC_TEST_ENGINES_FILE="$state/run/engines-root.json" \
    python -m pytest -p no:cacheprovider -m engine tests/contract tests/engines "${@:2}"
}

# Unit tests that only root can run: they mount, or own what is others'.
root_units() {
  check "unit tests as root" selected env XDG_CACHE_HOME="$state/run/xdg/units" \
    JC_STREAM="unit tests as root" python -m pytest -p no:cacheprovider \
    tests/unit/host/test_trees.py tests/unit/notebook/test_document.py
}

# People of a Hub are made for it; its servers run from the environment of the tests.
as_hub() { # NAME COMMAND...
  env XDG_CACHE_HOME="$state/run/xdg/$1" JC_TEST_ENGINES_FILE="$state/run/engines-root.json" \
    JC_STREAM="hub: $1" JC_TEST_PACKAGES="$(echo "$state"/venv/lib/python3*/site-packages)" "${@:2}"
}

hub_tests() { # NAME PYTEST-ARGUMENTS...
  check "JupyterHub: $1" selected as_hub "$1" \
    python -m pytest -p no:cacheprovider "${@:2}"
}

ui_tests() {
  local source=.
  if root; then
    source=$state/src
    install -d -o jupyter-containers-test "$source/build" # screenshots go there too
  fi
  check "extensions that run cells" executors "$source/build/executors"
  user_tests "in a browser" u podman tests/ui
  mkdir -p build/screenshots
  ! root || cp -r "$state/src/build/screenshots/." build/screenshots/ 2>/dev/null || true
}

# -- make test -------------------------------------------------------------------------------

unit_stream() {
  check "lint: Python" make --silent lint-python
  user_tests "what needs no engine" o "" -n 2 -m "not engine" --ignore=tests/ui --ignore=tests/hub
}

front_end_stream() {
  check "Node packages" "$here/tools.sh" test
  check "lint: front end" make --silent lint-frontend
  check "unit tests of the front end" npm --silent test
}

podman_first() {
  check "rootless podman" engines up podman
  named_engine_tests "podman: first" podman .
}

first_of_all() {
  beside front_end_stream
  beside podman_first
  unit_stream
  join_streams
}

# -- make test-all ---------------------------------------------------------------------------

podman_stream() {
  engine_tests podman . --ignore=tests/server "${apart[@]/#/--ignore=}"
  root_tests podman
}

docker_tests() {
  engine_tests docker d
  engine_tests docker20 v
  root_tests docker20
  root_tests docker
}

# Of the shard podman, but for its engine; beside podman's own stream that is too long.
more_of_podman() {
  root_units
  user_tests "what needs all packages" o "" -n 2 -m "not engine" --ignore=tests/ui --ignore=tests/hub
  hub_tests own-engines tests/hub --ignore=tests/hub/test_slurm.py --ignore=tests/hub/test_kubernetes.py
}

docker_stream() {
  ! in_shard docker || docker_tests
  ! in_shard podman || more_of_podman
  ! in_shard processes || ! root || cluster_tests
}

cluster_tests() {
  engine_tests kubernetes k
  hub_tests servers-in-pods tests/hub/test_kubernetes.py
}

# Engines that run what another built get their images first, by our own command.
images_for() { # ENGINE
  if root; then
    check "images for $1" as_tester p python tests/setup/convert_images.py "$1"
  else
    check "images for $1" env JC_TEST_ENGINES_FILE="$state/run/engines-user.json" \
      python tests/setup/convert_images.py "$1"
  fi
}

process_tests() { # ENGINE
  images_for "$1"
  engine_tests "$1" p
}

# What runs others' images; those that Slurm places come after what converts their images.
process_stream() {
  local one
  process_tests apptainer
  process_tests charliecloud
  engine_tests slurm+charliecloud s
  engine_tests slurm+apptainer s
  hub_tests servers-in-jobs tests/hub/test_slurm.py
  user_tests "in a browser: apptainer" p apptainer tests/ui/test_run_all.py -k runs_the_cells
  user_tests "in a browser: a queue" s slurm+charliecloud tests/ui/test_queue.py
  if [ -n "${JC_TEST_PYXIS:-}" ]; then
    images_for slurm+pyxis
    engine_tests slurm+pyxis s
  fi
  for one in enroot podman-hpc shifter; do
    ! command -v "$one" >/dev/null || process_tests "$one"
  done
}

parts() {
  case ${shard:-all} in
    podman) echo registry old-pythons root-podman docker docker20 browser ;; # the Hub's own engines
    docker) echo registry docker docker20 ;;
    processes) echo registry processes slurm browser root-podman kubernetes ;;
    browser) echo registry browser second-podman ;;
    all) ;;
    *) die "SHARD is podman, docker, processes or browser, and not $shard" ;;
  esac
}

rest_of_all() {
  local one
  rm -rf build/screenshots
  # shellcheck disable=SC2046
  engines up $(parts)
  if root && [ -z "${JC_TEST_ENGINES:-}" ]; then
    beside docker_stream
    ! in_shard browser || beside server_stream
    ! in_shard processes || beside process_stream
    ! in_shard podman || podman_stream
    join_streams
  else
    for one in $(tr , ' ' <<<"${JC_TEST_ENGINES:-podman}"); do
      wherever "$one" -m engine --ignore=tests/ui --ignore=tests/hub --ignore=tests/unit
    done
    [[ ,${JC_TEST_ENGINES:-podman}, != *,podman,* ]] || ui_tests
  fi
}

# -- make test-soak, make bench --------------------------------------------------------------

# ENGINE PYTEST-ARGUMENTS...: where its images are
wherever() {
  case $1 in
    podman) user_tests "$what: $1" . "$1" "${@:2}" ;;
    docker) user_tests "$what: $1" d "$1" "${@:2}" ;;
    docker20) user_tests "$what: $1" v "$1" "${@:2}" ;;
    slurm+*) user_tests "$what: $1" s "$1" "${@:2}" ;; # those of the engines that it places
    *)
      images_for "$1"
      user_tests "$what: $1" p "$1" "${@:2}"
      ;;
  esac
}

soak() {
  local one
  # shellcheck disable=SC2046
  engines up $(parts)
  if root; then install -d -o jupyter-containers-test "$state/src/build"; fi
  user_tests "a cluster that fails" o "" tests/engines/kubernetes/test_{faults,told}.py
  check "other JupyterLabs and extensions" labs "$(root && echo "$state/src" || echo .)/build/labs"
  for one in $(tr , ' ' <<<"${JC_TEST_ENGINES:-podman,docker,apptainer,charliecloud,slurm+charliecloud}"); do
    wherever "$one" tests/soak
  done
}

# Each of the two kinds of engines where its images are.
bench() {
  local one daemons=() others=()
  local measured=podman,docker,apptainer,charliecloud,slurm+charliecloud,slurm+apptainer,kubernetes
  mkdir -p build
  engines up
  if ! root; then
    check "bench" env JC_TEST_ENGINES_FILE="$state/run/engines-user.json" \
      python -m tests.bench ${BENCH_ARGS:-}
    return
  fi
  for one in $(tr , ' ' <<<"${JC_TEST_ENGINES:-$measured}"); do
    case $one in
    podman | docker | docker20) daemons+=("$one") ;;
    slurm+* | kubernetes) others+=("$one") ;; # their images are those of the engines they place
    *)
      images_for "$one"
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

# -- all of it -------------------------------------------------------------------------------

# Which engine keeps which promise of tests/contract/kernels, and how long all took; no checks.
report() {
  if [ -s "$state/promises" ]; then
    say "what a kernel in a container is promised, by engine"
    python -m tests.contract "$state/promises"
  fi
  [ ! -s "$state/durations" ] ||
    python -m tests.helpers.durations "$state/durations" --json build/durations.json
}

prepare() {
  engines down
  if [ "$what" = first ]; then
    environment_for_first
  else
    "$here/tools.sh" all
  fi
  (umask 0 && : >"$state/promises" && : >"$state/durations")
  export JC_CONTRACT_FILE=$state/promises JC_DURATIONS=$state/durations
  # Not /tmp itself: pytest fails on what an earlier run, or somebody else's, left there and it
  # cannot remove. In /tmp, because paths of sockets have to be short.
  temporary=$(mktemp -d /tmp/jct.XXXXXX)
  chmod 1777 "$temporary"
  export PYTEST_DEBUG_TEMPROOT=$temporary
  root || return 0
  engines tester
  copy
}

# apt beside uv: half of both is waiting for a network. Whoever has no Python needs apt first.
environment_for_first() {
  find_python >/dev/null || packages python3 python3-venv
  engines packages podman &
  local installing=$!
  # A larger environment does as well.
  if grep -qs "^$PWD test-all " .venv/.ready; then environment test-all; else environment test; fi
  wait "$installing"
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
  trap 'stop_streams; engines "$ending"; rm -rf --one-file-system "$temporary"' EXIT
  trap 'exit 130' INT TERM HUP
  prepare
  case $what in
    first) first_of_all ;;
    rest) rest_of_all ;;
    soak) soak ;;
    bench) bench ;;
    *) die "run.sh first|rest|soak|bench" ;;
  esac
  report
  check "nothing is left on the engines" engines leftovers

  if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}" >&2
    exit 1
  fi
  say "all passed in $((SECONDS / 60)) min $((SECONDS % 60)) s"
}

main
exit
