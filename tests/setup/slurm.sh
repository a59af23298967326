#!/bin/bash
# slurm.sh up|down DIR: a real Slurm for the tests, as root: a controller and three nodes, all on
# this machine and on 127.0.0.1, with two pretended GPUs each. A node has a /run/user of its own, as
# nodes of clusters do; all the rest is the file system that they share.
# After `up`, SLURM_CONF=DIR/slurm.conf reaches it. What it does not have is what cgroups would
# enforce: limits of memory and CPUs. With JC_TEST_PYXIS='/…/spank_pyxis.so [OPTION…]', and enroot on
# PATH, srun knows --container-image; an option is, for example, use_squashfuse=true.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
verb=$1 dir=$(readlink -m "$2")

# The first of four ports in a row that nobody listens on.
free_ports() {
  local first=16817
  while ss -ltnH | awk '{print $4}' | grep -qE ":($first|$((first + 1))|$((first + 2))|$((first + 3)))$"; do
    first=$((first + 10))
  done
  echo "$first"
}

config() {
  local host port
  host=$(hostname -s) port=$(free_ports)
  cat >"$dir/slurm.conf" <<CONF
ClusterName=jupyter-containers-test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/sock
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/pids/slurmctld
SlurmdPidFile=$dir/pids/slurmd-%n
SlurmctldLogFile=$dir/log/slurmctld
SlurmdLogFile=$dir/log/slurmd-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=1
GresTypes=gpu
NodeName=n[1-3] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 3))] CPUs=8 RealMemory=8000 Gres=gpu:2 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=n3 MaxTime=2 State=UP
PartitionName=tidy Nodes=n2 State=UP
Epilog=$dir/epilog
CONF
  printf '#!/bin/sh\n[ "$SLURM_JOB_PARTITION" != tidy ] || exec sleep 8\n' >"$dir/epilog"
  chmod 755 "$dir/epilog"
  [ -z "${JC_TEST_PYXIS:-}" ] || pyxis
  echo 'NodeName=n[1-3] Name=gpu File=/dev/null,/dev/zero' >"$dir/gres.conf"
  printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nCgroupMountpoint=/sys/fs/cgroup\n' \
    >"$dir/cgroup.conf"
}

# pyxis runs enroot as the job's owner, and enroot as installed keeps what runs below /run, where
# only root may. Its hook for GPUs gets a tool that gives none: they are pretended.
pyxis() {
  local enroot
  enroot=$(command -v enroot) || die "JC_TEST_PYXIS needs enroot on PATH"
  echo "PlugStackConfig=$dir/plugstack.conf" >>"$dir/slurm.conf"
  echo "required $JC_TEST_PYXIS runtime_path=$dir/pyxis" >"$dir/plugstack.conf"
  mkdir "$dir/bin"
  install -d -m 1777 "$dir/enroot"
  printf '#!/bin/sh\nexport ENROOT_RUNTIME_PATH=%s/enroot/$(id -u)\nexec %s "$@"\n' \
    "$dir" "$enroot" >"$dir/bin/enroot"
  chmod 755 "$dir/bin" "$dir/bin/enroot"
  ln -s /bin/true "$dir/bin/nvidia-container-cli"
}

up() {
  packages slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge iproute2 util-linux
  down
  mkdir -p "$dir"/{munge,state,spool/n1,spool/n2,spool/n3,log,pids}
  chmod 711 "$dir" "$dir/munge"
  chown -R root: "$dir/munge"
  dd if=/dev/urandom of="$dir/munge/key" bs=1 count=1024 status=none
  chmod 400 "$dir/munge/key"
  config
  munged --force --key-file="$dir/munge/key" --socket="$dir/munge/sock" \
    --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"
  export SLURM_CONF=$dir/slurm.conf USER=root PATH=$dir/bin:$PATH
  slurmctld -f "$SLURM_CONF" -c
  local node i
  for node in n1 n2 n3; do node_up "$node"; done
  for ((i = 0; i < 100; i++)); do
    [ "$(sinfo -h -p debug -o %T 2>/dev/null | sort -u)" = idle ] && return 0
    sleep 0.1
  done
  tail -n 20 "$dir/log/slurmctld" >&2
  die "Slurm did not come up within 10 s: see above"
}

node_up() { # NAME
  unshare --mount sh -c 'mount -t tmpfs -o mode=755 tmpfs /run/user && exec slurmd -f "$1" -N "$2"' \
    sh "$SLURM_CONF" "$1"
}

down() {
  local file pid
  [ -d "$dir" ] || return 0
  for file in "$dir"/pids/* "$dir/munge/pid"; do
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    kill "$pid" 2>/dev/null || continue
    timeout 10 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
  done
  rm -rf "$dir"
}

case $verb in
  up) up ;;
  down) down ;;
  *) die "slurm.sh up|down DIR" ;;
esac
