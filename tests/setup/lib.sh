# Sourced by the scripts beside it.

say() { printf '== %(%T)T %s\n' -1 "$*" >&2; }
warn() { printf 'WARNING: %s\n' "$*" >&2; }
die() {
  printf 'ERROR: %s\n' "$*" >&2
  exit 1
}

# Where engines, caches and the environment of the tests lie: JC_TEST_STATE, or a place of our own.
state_directory() {
  if [ "$(id -u)" = 0 ]; then
    echo "${JC_TEST_STATE:-/var/tmp/jupyter-containers-test}"
  else
    echo "${JC_TEST_STATE:-${XDG_CACHE_HOME:-$HOME/.cache}/jupyter-containers-test}"
  fi
}

# Whether all these Debian packages are installed.
have_packages() {
  dpkg-query -W -f '${db:Status-Status}\n' "$@" 2>/dev/null | grep -c '^installed$' |
    grep -qx "$#"
}

# packages PKG...: install what is missing where we may, else say what to type.
packages() {
  have_packages "$@" && return 0
  command -v apt-get >/dev/null || die "needed here: $* (this is no Debian: install them by hand)"
  [ "$(id -u)" = 0 ] || die "missing here: $*. Type this, then try again: sudo apt install $*"
  say "apt-get install $*"
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return 0
  apt-get update -qq || die "apt-get update failed: the package mirror is not reached"
  # On a machine with systemd, installing must start no service.
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
    die "apt-get install $* failed: see above"
}

# apt_of_suite DIRECTORY SUITE deb|deb-src: set `apt` to an apt-get of a Debian suite's packages or
# sources, by the mirror that this machine's apt is set up for. It keeps its lists in DIRECTORY.
apt_of_suite() {
  local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    sed -n 's/^Debian|Debian|//p' | head -n 1)
  [ -n "$mirror" ] || die "apt knows no Debian mirror here: nothing of Debian $2 can be fetched"
  mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
  echo "$3 [signed-by=$keyring] $mirror $2 main" >"$1/sources.list"
  # shellcheck disable=SC2034
  apt=(apt-get -qq
    -o "Dir::Etc::SourceList=$1/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1/cache"
    -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root)
}

wait_for() { # SECONDS WHAT LOG COMMAND...
  local seconds=$1 what=$2 log=$3 end=$((SECONDS + $1))
  shift 3
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || {
      tail -n 20 "$log" >&2
      die "$what did not come up within $seconds s: see above"
    }
    sleep 0.2
  done
}

# podman_conf FILE: a containers.conf for what this machine lacks (empty on most).
podman_conf() {
  {
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
      # crun refuses cgroup v1 beside v2 ("hybrid"); runc takes it.
      printf '[engine]\nruntime = "runc"\n'
    else
      printf '[engine]\n'
    fi
    if [ ! -d /run/systemd/system ]; then
      printf 'cgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    fi
    # Without CAP_SYS_RESOURCE podman's default limits are above what root may set.
    if [ "$(id -u)" = 0 ] && ! (ulimit -Hn 1048576) 2>/dev/null; then
      printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=32768:32768"]\n' \
        "$(ulimit -Hn)" "$(ulimit -Hn)"
    fi
  } >"$1"
}
