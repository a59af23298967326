#!/bin/bash
# kubernetes.sh up DIR PROGRAMS [REGISTRY...] | pods DIR PROGRAMS | down DIR: a real Kubernetes for
# the tests, as root: a control plane and one node, from what kubernetes_build.sh left in PROGRAMS.
#
# After `up`, DIR/admin.kubeconfig may do everything, and DIR/person.kubeconfig what the Roles of
# the file JC_TEST_KUBERNETES_ROLE say (kubernetes_role.yaml), in the namespace `jupyter`. Its claim
# `tmp` is this machine's /tmp, and `shared` an empty volume of root's at DIR/shared. The API
# and the Pods' addresses are reached from this machine alone. The node reaches the machine's
# REGISTRYs (127.0.0.1:PORT) at the same address, Pods at 10.213.30.2:PORT, and nothing else.
#
# All of it runs in namespaces of its own (mounts, network, processes) below one process. When that
# is killed, the kernel ends every other, and mounts, links, routes and rules are gone with them.
# The machine's own containerd, iptables, sysctls, /run and /var/log are neither used nor changed.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/lib.sh"
verb=$1 dir=$(readlink -m "$2") programs=$(readlink -m "${3:-none}")
cgroup=jupyter-containers-test-kubernetes link=jctk8s
machine=10.213.30.1 node=10.213.30.2 pods=10.213.31.0/24 services=10.213.32.0/24
namespace=jupyter

# -- namespaces ------------------------------------------------------------------------------

inside() { # COMMAND...
  nsenter --target "$init" --mount --net --pid -- "$@"
}

# In the background, said in DIR/log/NAME. Whatever proxy this machine has, the API is not behind it.
run_inside() { # NAME COMMAND...
  setsid nsenter --target "$init" --mount --net --pid -- env -i HOME=/root \
    PATH="$programs/debs/usr/bin:$PATH" "${@:2}" >"$dir/log/$1" 2>&1 </dev/null &
}

# catatonit buries what loses its parent, as shims do.
namespaces() {
  setsid unshare --mount --propagation slave --net --pid --fork --kill-child --mount-proc \
    catatonit -- sleep infinity >"$dir/log/init" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  wait_for 5 "A process in new namespaces" "$dir/log/init" find_init
}

find_init() { init=$(pgrep -P "$(cat "$dir/pid")" -x catatonit); }

# What containerd and kubelet insist on, and kernel settings that kubelet changes for the whole
# machine (a panic where the kernel would go on): it finds files there that are as it wants them.
# https://github.com/kubernetes/kubernetes/blob/v1.20.2/pkg/kubelet/cm/container_manager_linux.go#L406
mounts() {
  local setting name
  mkdir -p "$dir"/{logs,kubelet,cni-state,sysctl} /var/lib/kubelet /var/lib/cni
  inside mount -t tmpfs -o mode=755 tmpfs /run
  inside mkdir /run/lock
  inside mount --bind "$dir/logs" /var/log
  inside mount --bind "$dir/kubelet" /var/lib/kubelet
  inside mount --bind "$dir/cni-state" /var/lib/cni
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    name=${setting%=*}
    echo "${setting#*=}" >"$dir/sysctl/${name##*/}"
    inside mount --bind "$dir/sysctl/${name##*/}" "/proc/sys/$name"
  done
}

network() {
  ip link add "$link" type veth peer name eth0 netns "$init"
  ip addr add "$machine/30" dev "$link"
  ip link set "$link" up
  inside ip link set lo up
  inside ip addr add "$node/30" dev eth0
  inside ip link set eth0 up
  ip route add "$pods" via "$node"
  inside sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# A socket in the file system is one for all networks, so no firewall has a say in it.
registry_inside() { # ADDRESS
  local port=${1##*:} socket=/run/registry-${1##*:}
  setsid nsenter --target "$init" --mount --pid -- \
    socat "UNIX-LISTEN:$socket,fork" "TCP:$1" >"$dir/log/registry-$port" 2>&1 </dev/null &
  run_inside "registry-$port-inside" socat "TCP-LISTEN:$port,fork,reuseaddr" "UNIX-CONNECT:$socket"
}

# The node's containers are below one of ours, and not below /kubepods, which a real node has.
cgroups() {
  local one
  for one in $(cgroup_parents); do
    mkdir -p "$one/$cgroup"
    [ ! -e "$one/cgroup.subtree_control" ] || enable_controllers "$one"
  done
}

cgroup_parents() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
  else
    find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d # not the links, such as cpuacct to cpu
  fi
}

enable_controllers() { # DIRECTORY: of version 2
  local controller controllers
  read -ra controllers <"$1/cgroup.controllers" || true
  for controller in "${controllers[@]}"; do
    echo "+$controller" >"$1/cgroup.subtree_control" || true
  done
}

no_cgroups() {
  local one
  for one in $(cgroup_parents); do
    [ ! -d "$one/$cgroup" ] || find "$one/$cgroup" -depth -type d -exec rmdir {} \;
  done
}

# -- configuration ---------------------------------------------------------------------------

certificates() {
  local new=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  mkdir -m 700 "$dir/pki"
  openssl req -x509 "${new[@]}" -days 30 -subj /CN=jupyter-containers-test \
    -addext keyUsage=critical,keyCertSign -keyout "$dir/pki/ca.key" -out "$dir/pki/ca.crt"
  certificate api /CN=kube-apiserver "subjectAltName=IP:$node"
  certificate admin /O=system:masters/CN=admin
}

certificate() { # NAME SUBJECT [EXTENSION]
  openssl req "${new[@]}" -subj "$2" -keyout "$dir/pki/$1.key" -out "$dir/pki/$1.csr"
  openssl x509 -req -in "$dir/pki/$1.csr" -CA "$dir/pki/ca.crt" -CAkey "$dir/pki/ca.key" \
    -CAcreateserial -days 30 -out "$dir/pki/$1.crt" -extfile <(printf '%s\n' \
      basicConstraints=critical,CA:FALSE subjectKeyIdentifier=hash authorityKeyIdentifier=keyid \
      keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth,clientAuth "${3:-}")
}

kubeconfig() { # FILE NAMESPACE USER: what `user` holds
  (umask 077 && cat >"$1") <<YAML
apiVersion: v1
kind: Config
current-context: test
clusters:
  - name: test
    cluster:
      server: https://$node:6443
      certificate-authority-data: $(base64 -w 0 "$dir/pki/ca.crt")
contexts:
  - name: test
    context: {cluster: test, user: test, namespace: $2}
users:
  - name: test
    user: $3
YAML
}

kubelet_config() {
  # Nothing here resolves names. Without a nameserver libc asks this host, which refuses at once.
  echo '# no nameserver' >"$dir/resolv.conf"
  cat >"$dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: $dir/pki/ca.crt}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
enforceNodeAllocatable: []
evictionHard: {memory.available: 100Mi}
imageGCHighThresholdPercent: 100
failSwapOn: false
makeIPTablesUtilChains: false
nodeStatusUpdateFrequency: 1s
oomScoreAdj: 0
resolvConf: $dir/resolv.conf
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 100
eventBurst: 200
kubeAPIQPS: 100
kubeAPIBurst: 200
YAML
}

# Root may lack CAP_SYS_RESOURCE, and with it processes that are killed later than others.
containerd_config() {
  mkdir -p "$dir/cni"
  cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$dir/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:3"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$programs/debs/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "$programs/debs/usr/sbin/runc"
TOML
  cat >"$dir/cni/bridge.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipam": {
    "type": "host-local", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
}

# -- programs --------------------------------------------------------------------------------

kubectl() {
  env -u HTTPS_PROXY -u https_proxy "$programs/debs/usr/bin/kubectl" --kubeconfig "$dir/admin.kubeconfig" \
    --cache-dir "$dir/kubectl-cache" "$@"
}

control_plane() {
  run_inside etcd "$programs/debs/usr/bin/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
  run_inside kube-apiserver "$programs/bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
    --advertise-address "$node" --service-cluster-ip-range "$services" \
    --authorization-mode RBAC --allow-privileged --client-ca-file "$dir/pki/ca.crt" \
    --tls-cert-file "$dir/pki/api.crt" --tls-private-key-file "$dir/pki/api.key" \
    --kubelet-client-certificate "$dir/pki/admin.crt" \
    --kubelet-client-key "$dir/pki/admin.key" --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$dir/pki/api.crt" \
    --service-account-signing-key-file "$dir/pki/api.key"
  wait_for 60 "kube-apiserver" "$dir/log/kube-apiserver" kubectl get --raw /readyz
  local own=(--kubeconfig "$dir/admin.kubeconfig" --leader-elect=false --port 0
    --bind-address 127.0.0.1)
  run_inside kube-controller-manager "$programs/bin/kube-controller-manager" "${own[@]}" \
    --service-account-private-key-file "$dir/pki/api.key" --root-ca-file "$dir/pki/ca.crt" \
    --node-monitor-period 1s
  run_inside kube-scheduler "$programs/bin/kube-scheduler" "${own[@]}"
}

start_containerd() {
  run_inside containerd "$programs/debs/usr/bin/containerd" --config "$dir/containerd.toml"
  wait_for 20 "containerd" "$dir/log/containerd" inside "$programs/debs/usr/bin/ctr" version
  inside "$programs/debs/usr/bin/ctr" -n k8s.io images import "$programs/pause.tar" \
    >"$dir/log/pause" 2>&1 || {
    tail -n 20 "$dir/log/pause" "$dir/log/containerd" >&2
    die "containerd does not take the image of a Pod's own process: see above"
  }
}

start_kubelet() {
  run_inside kubelet "$programs/bin/kubelet" --config "$dir/kubelet.yaml" \
    --kubeconfig "$dir/admin.kubeconfig" --hostname-override node-1 --node-ip "$node" \
    --container-runtime remote \
    --container-runtime-endpoint unix:///run/containerd/containerd.sock
}

# -- who may do what -------------------------------------------------------------------------

# A Hub's or a person's server has such a token.
person() {
  local role=${JC_TEST_KUBERNETES_ROLE:-$here/kubernetes_role.yaml} name token
  kubectl apply --validate=false -f - >/dev/null <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: $namespace}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: person, namespace: $namespace}
YAML
  kubectl -n "$namespace" apply --validate=false -f "$role" >/dev/null ||
    die "the Roles of $role are refused: see above"
  for name in $(kubectl -n "$namespace" get roles -o name); do
    kubectl -n "$namespace" create rolebinding "person-${name#*/}" --role="${name#*/}" \
      --serviceaccount="$namespace:person" >/dev/null
  done
  token=$(echo '{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
    "spec": {"expirationSeconds": 86400}}' | kubectl create -f - \
    --raw "/api/v1/namespaces/$namespace/serviceaccounts/person/token" |
    sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
  kubeconfig "$dir/person.kubeconfig" "$namespace" "{token: $token}"
}

# Files that the machine and the node have both: one volume as it is, and one whose group a Pod may
# change, as network volumes allow. https://kubernetes.io/docs/concepts/storage/volumes/#local
volumes() {
  mkdir -p -m 755 "$dir/shared"
  kubectl apply --validate=false -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: tmp}
spec:
  accessModes: [ReadWriteMany]
  capacity: {storage: 1Gi}
  claimRef: {namespace: $namespace, name: tmp}
  hostPath: {path: /tmp, type: Directory}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: shared}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  claimRef: {namespace: $namespace, name: shared}
  local: {path: $dir/shared}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: tmp, namespace: $namespace}
spec: {accessModes: [ReadWriteMany], storageClassName: '', volumeName: tmp, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared, namespace: $namespace}
spec: {accessModes: [ReadWriteOnce], storageClassName: '', volumeName: shared, resources: {requests: {storage: 1Gi}}}
YAML
}

node_is_ready() {
  kubectl get node node-1 -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.spec.taints}' |
    grep -qx 'True '
}

# Until then a Pod is refused: it may want a token.
has_default_account() {
  kubectl -n "$namespace" get serviceaccount default -o 'jsonpath={.secrets}' | grep -q name
}

# -- all of it -------------------------------------------------------------------------------

up() {
  packages catatonit iproute2 util-linux procps openssl socat libseccomp2
  down
  ! ip link show "$link" >/dev/null 2>&1 ||
    die "the Kubernetes of other tests runs here: ps -C unshare -o pid,args shows its first process"
  mkdir -p "$dir/log"
  chmod 711 "$dir"
  local one init
  namespaces
  mounts
  network
  cgroups
  certificates 2>"$dir/log/openssl" || {
    cat "$dir/log/openssl" >&2
    die "openssl makes no certificates: see above"
  }
  kubeconfig "$dir/admin.kubeconfig" default "{client-certificate-data: $(base64 -w 0 \
    "$dir/pki/admin.crt"), client-key-data: $(base64 -w 0 "$dir/pki/admin.key")}"
  kubelet_config
  containerd_config
  for one in "$@"; do registry_inside "$one"; done
  start_containerd &
  local starting=$!
  control_plane
  wait "$starting"
  start_kubelet
  person
  volumes
  wait_for 30 "The default service account" "$dir/log/kube-controller-manager" has_default_account
  wait_for 30 "The node" "$dir/log/kubelet" node_is_ready
}

down() {
  local pid
  [ -d "$dir" ] || return 0
  if [ -s "$dir/pid" ]; then
    pid=$(cat "$dir/pid")
    if grep -qs kill-child "/proc/$pid/cmdline"; then
      pkill -KILL -P "$pid" || true
      timeout 30 tail --pid="$pid" -f /dev/null || die "the cluster's process $pid does not end"
    fi
  fi
  no_cgroups
  # Where we mounted: they are ours if they are empty.
  rmdir /var/lib/kubelet /var/lib/cni 2>/dev/null || true
  rm -rf --one-file-system "$dir"
}

case $verb in
  up) up "${@:4}" ;;
  pods) kubectl get pods --all-namespaces -o name ;;
  down) down ;;
  *) die "kubernetes.sh up DIR PROGRAMS [REGISTRY...] | pods DIR PROGRAMS | down DIR" ;;
esac
