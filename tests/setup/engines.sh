#!/bin/bash
# engines.sh packages|tester|up|leftovers|stop|down STATE [PART...]: real engines for the tests, in a private place.
#
# As root: podman rootful and rootless, Docker 20.10 and 28 each with a daemon, bridge and socket
# of its own, a registry on 127.0.0.1, and an ordinary user who may use all but root's podman.
# `up` installs and starts only the PARTs that are named, rootless podman always:
# root-podman second-podman docker docker20 registry processes slurm kubernetes browser old-pythons;
# all where none is.
# As an ordinary user: rootless podman, and the docker that answers, if one does.
#
# STATE/cache holds what was fetched and stays; STATE/run holds all the rest and is removed by
# `down`, which takes minutes, and not by `stop`. `up` leaves STATE/run/engines-root.json and
# -user.json, which tests/conftest.py reads.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
for part in lib registry people; do . "$here/$part.sh"; done
verb=$1 state=$2
all="root-podman second-podman docker docker20 registry processes slurm kubernetes browser old-pythons"
cache=$state/cache run=$state/run
tester=jupyter-containers-test
images=localhost/jupyter-containers-test
root() { [ "$(id -u)" = 0 ]; }

# as_tester COMMAND...: run as the ordinary user, with rootless podman's private storage.
as_tester() {
  local uid
  uid=$(id -u "$tester")
  runuser -u "$tester" -- env -i HOME="/home/$tester" USER="$tester" LANG=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin XDG_RUNTIME_DIR="/run/user/$uid" \
    CONTAINERS_CONF="$run/podman/containers.conf" \
    CONTAINERS_REGISTRIES_CONF="$run/podman/registries.conf" \
    CONTAINERS_STORAGE_CONF="$run/podman/user.conf" "$@"
}

# other_podman process|second COMMAND...: the same with another storage, and sockets of its own.
other_podman() {
  local stream=p
  [ "$1" = process ] || stream=u
  as_tester CONTAINERS_STORAGE_CONF="$run/podman/$1.conf" \
    XDG_RUNTIME_DIR="/run/user/$(id -u "$tester")/$stream" "${@:2}"
}

as_root_podman() {
  CONTAINERS_CONF=$run/podman/containers.conf CONTAINERS_STORAGE_CONF=$run/podman/root.conf \
    CONTAINERS_REGISTRIES_CONF=$run/podman/registries.conf podman "$@"
}

# docker_of 20|28 ARGUMENTS...
docker_of() {
  local unpacked=$cache/docker$1 sock=$run/docker$1/sock
  shift
  DOCKER_HOST=unix://$sock DOCKER_CONFIG=$unpacked/config "$unpacked/usr/bin/docker" "$@"
}

wants() { [[ " $parts " == *" $1 "* ]]; }

suites() {
  echo bookworm
  ! wants old-pythons || echo bullseye trixie
}

fetch_docker20() {
  "$here/debs.sh" bookworm "$cache/docker20" docker.io=20.10.24+dfsg1-1+deb12u1+b6 \
    containerd=1.6.20~ds1-1+deb12u3 runc=1.1.5+ds1-1+deb12u1 tini=0.19.0-1+b3
  mkdir -p "$cache/docker20/config"
}

fetch_docker28() {
  "$here/debs.sh" sid "$cache/docker28" docker.io=28.5.2+dfsg4-5 docker-cli=28.5.2+dfsg4-5 \
    docker-buildx=0.29.1+ds1-4 containerd=2.1.9+ds1-5 tini-static=0.19.0-6+b2
  mkdir -p "$cache/docker28/config"
  ln -sfn ../usr/libexec/docker/cli-plugins "$cache/docker28/config/cli-plugins"
  ln -sfn "$cache/docker20/usr/sbin/runc" "$cache/docker28/usr/bin/runc"
  "$cache/docker28/usr/sbin/dockerd" --version >/dev/null ||
    die "Docker of Debian sid does not run on this Debian (tested with 28.5.2 on Debian 12)"
  DOCKER_CONFIG=$cache/docker28/config "$cache/docker28/usr/bin/docker" buildx version >/dev/null ||
    die "Docker of Debian sid does not find its buildx (tested with docker-buildx 0.29.1)"
}

fetch() {
  mkdir -p "$cache"
  # shellcheck disable=SC2046
  "$here/base_images.sh" "$cache" $(suites) &
  local making=$!
  if wants docker20 || wants docker; then fetch_docker20; fi # 28 takes its runc
  if wants docker; then fetch_docker28; fi
  if wants registry; then
    "$here/debs.sh" bookworm "$cache/registry" docker-registry=2.8.2+ds1-1
  fi
  if wants processes; then "$here/apptainer.sh" "$cache"; fi
  if wants kubernetes; then "$here/kubernetes_build.sh" "$cache/kubernetes"; fi
  wait "$making"
}

add_tester() {
  id "$tester" >/dev/null 2>&1 || useradd -m -s /bin/bash "$tester"
  install -d -m 700 -o "$tester" -g "$tester" "/run/user/$(id -u "$tester")"
  # Rootless engines need both; some machines keep them for root.
  chmod 666 /dev/fuse /dev/net/tun
}

podman_files() { # OWNER-NAME
  local directory=$run/podman
  mkdir -p "$directory"/{root,user,process,second}
  podman_conf "$directory/containers.conf"
  # A runroot of over 50 characters is refused on podman's command line. That is how conmon says
  # that a container has ended, so each end would be noticed 20 seconds late.
  printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' \
    "$directory/root/storage" /run/jupyter-containers-test/podman >"$directory/root.conf"
  # Rootless podman looks below HOME unless told so, and some tests have another HOME.
  printf '[storage]\ndriver = "overlay"\nrootless_storage_path = "%s"\nrunroot = "%s"\n' \
    "$directory/user/storage" "/run/user/$(id -u "$1")/jupyter-containers-test" \
    >"$directory/user.conf"
  # Two more, each of a stream that goes on beside podman's: `process` for engines that run what
  # podman built, `second` for the server and the browser.
  sed "s|$directory/user/|$directory/process/|; s|jupyter-containers-test\"|p/containers\"|" \
    "$directory/user.conf" >"$directory/process.conf"
  sed "s|$directory/user/|$directory/second/|; s|jupyter-containers-test\"|u/containers\"|" \
    "$directory/user.conf" >"$directory/second.conf"
  echo 'unqualified-search-registries = ["docker.io"]' >"$directory/registries.conf"
  [ ! -s "$run/registry/address" ] || printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' \
    "$(cat "$run/registry/address")" >>"$directory/registries.conf"
  root && chown "$tester:" "$directory"/{user,process,second} || true
}

# buildx keeps its state in the client's configuration: one each for root and the ordinary user.
docker_configs() { # 20|28
  local one
  for one in root user; do
    mkdir -p "$run/docker$1/config-$one"
    ln -sfn "$cache/docker$1/usr/libexec/docker/cli-plugins" "$run/docker$1/config-$one/cli-plugins"
  done
  chown -R "$tester:" "$run/docker$1/config-user"
}

network() { # 20|28: a bridge of its own, so that no daemon's docker0 or rules are touched
  ip link del "jct$1" 2>/dev/null || true
  ip link add "jct$1" type bridge
  ip addr add "10.213.$1.1/24" dev "jct$1"
  ip link set "jct$1" up
  iptables -w -t nat -A POSTROUTING -s "10.213.$1.0/24" ! -o "jct$1" -j MASQUERADE
  iptables -w -I FORWARD -i "jct$1" -j ACCEPT
  iptables -w -I FORWARD -o "jct$1" -j ACCEPT
}

no_network() {
  while iptables -w -t nat -D POSTROUTING -s "10.213.$1.0/24" ! -o "jct$1" -j MASQUERADE; do :; done
  while iptables -w -D FORWARD -i "jct$1" -j ACCEPT; do :; done
  while iptables -w -D FORWARD -o "jct$1" -j ACCEPT; do :; done
  ip link del "jct$1"
} 2>/dev/null

dockerd_up() { # 20|28
  local directory=$run/docker$1 unpacked=$cache/docker$1
  mkdir -p "$directory"
  docker_configs "$1"
  network "$1"
  PATH=$unpacked/usr/bin:$unpacked/usr/sbin:$PATH setsid dockerd \
    --data-root "$directory/data" --exec-root "$directory/exec" --pidfile "$directory/pid" \
    --host "unix://$directory/sock" --group "$tester" --bridge "jct$1" --iptables=false \
    --ip6tables=false --ip-masq=false --ip-forward=false >"$directory/log" 2>&1 </dev/null &
}

import_images() { # COMMAND...: an engine's command line
  import_image bookworm 'CMD ["python3"]' python:3.11 "$@"
  import_image busybox 'CMD ["sh"]' busybox:latest "$@"
}

# On rootless podman alone: which packages fit which Python is the same on every engine.
import_old_pythons() { # COMMAND...
  import_image bullseye 'CMD ["python3"]' python:3.9 "$@"
  import_image trixie 'CMD ["python3"]' python:3.13 "$@"
}

import_image() { # TAR CHANGE NAME COMMAND...
  local said
  said=$("${@:4}" import --change "$2" - "$images/$3" <"$cache/$1.tar" 2>&1) ||
    die "importing $1 with ${*:4} failed: $said"
}

# engines_json FILE USER-CONF ENGINE...
engines_json() { python3 "$here/engines_json.py" "$cache" "$run" "$images" "$@"; }

# In one go, since only one apt runs at a time.
packages_of_parts() {
  local names=(podman runc fuse-overlayfs slirp4netns uidmap catatonit procps mmdebstrap
    busybox-static python3)
  if wants docker || wants docker20; then
    names+=(iptables iproute2 libdevmapper1.02.1 libseccomp2)
  fi
  if wants root-podman; then names+=(iptables iproute2); fi
  if wants processes; then names+=(charliecloud python3-lark python3-requests git); fi
  if wants kubernetes; then names+=(iproute2 libseccomp2 make openssl rsync socat); fi
  if wants browser; then names+=(chromium fonts-dejavu-core fonts-liberation); fi
  packages "${names[@]}"
}

start_daemons() {
  local number
  for number in $1; do dockerd_up "$number"; done
  if wants registry; then
    registry_up registry
    # Its one user is tester, with the password s3cret.
    registry_up private 'tester:$2b$05$K3qIr/LGKGEznFPsmyNShOycrMFvSyIsKw1iyS0EVgb7CraaeR/Ru'
  fi
  podman_files "$tester"
  for number in $1; do
    wait_for 60 "dockerd $number" "$run/docker$number/log" docker_of "$number" version
  done
}

import_everywhere() { # DOCKERS
  local number one importing=()
  for number in $1; do
    import_images docker_of "$number" & importing+=($!)
  done
  if wants root-podman; then import_images as_root_podman & importing+=($!); fi
  import_images as_tester podman & importing+=($!)
  if wants old-pythons; then import_old_pythons as_tester podman & importing+=($!); fi
  if wants processes || wants kubernetes; then
    import_images other_podman process podman & importing+=($!)
  fi
  if wants second-podman; then import_images other_podman second podman & importing+=($!); fi
  for one in "${importing[@]}"; do wait "$one"; done
}

# Who may use Docker is as good as root here, so tests of the ordinary user may set up what the
# cluster's administrator would.
kubernetes_up() {
  "$here/kubernetes.sh" up "$run/kubernetes" "$cache/kubernetes" \
    "$(cat "$run/registry/address")" "$(cat "$run/private/address")"
  chown "$tester:" "$run/kubernetes"/{admin,person}.kubeconfig
}

fill_registries() {
  local address
  address=$(cat "$run/registry/address")
  as_tester podman push -q "$images/busybox" "$address/test/busybox"
  address=$(cat "$run/private/address")
  as_tester podman push -q --tls-verify=false --creds tester:s3cret "$images/busybox" \
    "$address/test/busybox"
}

# NAME VALUE, below /proc/sys/net, until `down`; nothing where the kernel has none.
kernel_setting() {
  [ -e "/proc/sys/net/$1" ] || return 0
  mkdir -p "$run/kernel/$(dirname "$1")"
  [ -e "$run/kernel/$1" ] || cat "/proc/sys/net/$1" >"$run/kernel/$1"
  echo "$2" >"/proc/sys/net/$1"
}

kernel_settings_back() {
  local name
  [ -d "$run/kernel" ] || return 0
  (cd "$run/kernel" && find . -type f) | while read -r name; do
    cat "$run/kernel/$name" >"/proc/sys/net/$name"
  done
}

up_as_root() {
  local dockers='' user=(podman) as_root=()
  if wants docker20; then dockers=20 user+=(docker20) as_root+=(docker20); fi
  if wants docker; then dockers+=" 28" user+=(docker) as_root+=(docker); fi
  if wants root-podman; then as_root+=(podman); fi
  if wants processes; then user+=(apptainer charliecloud $(installed_here)); fi
  if wants slurm; then user+=(slurm+apptainer slurm+charliecloud); fi
  if wants kubernetes; then user+=(kubernetes); fi
  packages_of_parts
  fetch
  mkdir -p "$run"
  add_tester
  ip link show cni-podman0 >/dev/null 2>&1 && touch "$run/had-podman-bridge"
  kernel_setting ipv4/ip_forward 1
  # An interface of a container that gets an address makes chromium drop what it asks for. See
  # https://github.com/microsoft/playwright/issues/13062 (ERR_NETWORK_CHANGED).
  kernel_setting ipv6/conf/default/disable_ipv6 1
  say "starting rootless podman and: ${parts:-nothing else}"
  start_daemons "$dockers"
  say "importing base images"
  cd /
  install -d -m 700 -o "$tester" "/run/user/$(id -u "$tester")"/{p,u}
  import_everywhere "$dockers"
  if wants registry; then fill_registries; fi
  if wants kubernetes; then kubernetes_up; fi
  engines_json "$run/engines-root.json" root "${as_root[@]}"
  if wants slurm; then "$here/slurm.sh" up "$run/slurm"; fi
  engines_json "$run/engines-user.json" user "${user[@]}"
  engines_json "$run/engines-second.json" second podman
  install -d -m 700 -o "$tester" "$run/images-user"
}

# No registry has them: each is tested where the person has installed it, else with recordings.
# Shifter's images come over a registry: Policy.push_registry in /etc/jupyter names it.
installed_here() (
  for name in enroot podman-hpc shifter; do ! command -v "$name" >/dev/null || echo "$name"; done
  ! root || [ -z "${JC_TEST_PYXIS:-}" ] || echo slurm+pyxis # see slurm.sh
)

packages_as_user() { packages podman uidmap slirp4netns mmdebstrap busybox-static python3; }

up_as_user() {
  packages_as_user
  tester=$(id -un)
  # shellcheck disable=SC2046
  "$here/base_images.sh" "$cache" $(suites)
  mkdir -p "$run"
  podman_files "$tester"
  cp "$run/podman/user.conf" "$run/podman/process.conf"
  local names=(podman) podman=(env CONTAINERS_CONF="$run/podman/containers.conf"
    CONTAINERS_STORAGE_CONF="$run/podman/user.conf" podman)
  import_images "${podman[@]}"
  if wants old-pythons; then import_old_pythons "${podman[@]}"; fi
  if docker version >/dev/null 2>&1; then
    import_images docker
    names+=(own-docker)
  else
    warn "Docker is not tested: no daemon answers here (as root, make test starts its own)"
  fi
  if command -v apptainer >/dev/null; then names+=(apptainer); fi
  if command -v ch-run >/dev/null; then names+=(charliecloud); fi
  names+=($(installed_here))
  engines_json "$run/engines-user.json" user "${names[@]}"
}

# Containers that a test left on any engine, and processes of the ordinary user.
leftovers() {
  local found one _
  # Podman's own namespace holder stays, by design. So may what has ended and was left to process
  # 1: in a container that one is often a program that buries nobody's children. A reaper looks
  # once a second whether it has anything left to remove.
  for _ in 1 2 3 4 5; do
    found=$(root && ps -u "$tester" -o pid=,ppid=,stat=,args= |
      awk '!(($2 == 1 && $3 ~ /^Z/) || / catatonit -P$/)' || true)
    [ -n "$found" ] || break
    sleep 1
  done
  [ -z "$found" ] || die "tests left processes behind:
$found"
  no_people_left
  if root; then
    found=$(
      [ ! -S "$run/docker20/sock" ] || docker_of 20 ps -a --format 'docker20 {{.Names}} {{.Image}}'
      [ ! -S "$run/docker28/sock" ] || docker_of 28 ps -a --format 'docker {{.Names}} {{.Image}}'
      [ ! -d "$run/podman/root/storage" ] || as_root_podman ps -a --format 'podman {{.Names}} {{.Image}}'
      cd / && as_tester podman ps -a --format 'rootless podman {{.Names}} {{.Image}}'
      for one in process second; do
        [ ! -d "$run/podman/$one/storage" ] ||
          other_podman "$one" podman ps -a --format "podman, $one storage: {{.Names}} {{.Image}}"
      done
      [ ! -d "$run/kubernetes" ] || "$here/kubernetes.sh" pods "$run/kubernetes" "$cache/kubernetes"
    )
  else
    found=$(CONTAINERS_STORAGE_CONF=$run/podman/user.conf podman ps -a --format '{{.Names}}')
  fi
  [ -z "$found" ] || die "tests left containers behind:
$found"
}

stop_as_root() {
  local directory uid
  no_hub_people
  [ -d "$run" ] || return 0
  say "stopping the engines" && "$here/slurm.sh" down "$run/slurm"
  "$here/kubernetes.sh" down "$run/kubernetes"
  if uid=$(id -u "$tester" 2>/dev/null); then
    pkill -KILL -u "$uid" || true
  fi
  [ -e "$run/podman/root.conf" ] && as_root_podman rm --all --force --time 0 >/dev/null 2>&1 || true
  for directory in "$run"/{docker20,docker28,registry,private}; do
    [ -s "$directory/pid" ] || continue
    kill "$(cat "$directory/pid")" 2>/dev/null &&
      timeout 30 tail --pid="$(cat "$directory/pid")" -f /dev/null || true
  done
  no_network 20 || true
  no_network 28 || true
  [ -e "$run/had-podman-bridge" ] || ip link del cni-podman0 2>/dev/null || true
  kernel_settings_back
  # Deepest first; a daemon that was killed leaves its mounts.
  for directory in "$run/" /run/jupyter-containers-test/; do
    awk -v d="$directory" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r |
      xargs -r -n 1 umount -l 2>/dev/null || true
  done
  if [ -n "$uid" ]; then
    awk -v d="/run/user/$uid/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r |
      xargs -r -n 1 umount -l 2>/dev/null || true
    rm -rf "/run/user/$uid" "/tmp/${uid}_hpc"
    userdel -r "$tester" 2>/dev/null || true
    # The next one has another id, and pytest refuses a directory of somebody else's.
    rm -rf "/tmp/pytest-of-$tester"
  fi
  rm -rf /run/jupyter-containers-test
  rm -f /var/run/cdi/jupyter-containers-test.json # of tests that were killed: tests/helpers/cdi.py
}

# Deleting the engines' storage takes minutes, so it is moved out of the way and deleted meanwhile.
throw_away() {
  local trash
  if [ -d "$run" ]; then
    trash=$(mktemp -d "$state/trash-XXXXXX")
    mv "$run" "$trash/"
  fi
  [ "${JC_THROWN_AWAY:-}" = 1 ] || setsid nice rm -rf "$state"/trash-* >/dev/null 2>&1 </dev/null &
}

down_as_user() {
  [ -d "$run" ] || return 0
  # Files of other ids in our namespace: only podman can delete them.
  CONTAINERS_STORAGE_CONF=$run/podman/user.conf podman system reset --force >/dev/null 2>&1 || true
  podman unshare rm -rf "$run" 2>/dev/null || rm -rf "$run"
  if docker version >/dev/null 2>&1; then
    docker rmi -f "$images"/python:3.{9,11,13} "$images/busybox" >/dev/null 2>&1 || true
  fi
}

parts=$all
[[ $verb != up && $verb != packages ]] || [ $# -le 2 ] || parts=${*:3}
if wants kubernetes && ! wants registry; then parts+=" registry"; fi # its images come from there
case $verb in
  packages) if root; then packages_of_parts; else packages_as_user; fi ;;
  tester) mkdir -p "$run" && add_tester ;;
  up) if root; then up_as_root; else up_as_user; fi ;;
  leftovers) leftovers ;;
  stop) if root; then stop_as_root; else down_as_user; fi ;;
  down) if root; then stop_as_root && throw_away; else down_as_user; fi ;;
  as-tester) shift 2 && as_tester "$@" ;;
  *) die "engines.sh packages|tester|up|leftovers|stop|down STATE [PART...]" ;;
esac
