#!/bin/bash
# kubernetes_build.sh DIR: what a Kubernetes of one node consists of, below DIR: programs that
# Debian 12 has as packages in DIR/debs, those that it has as source only in DIR/bin.
#
# No registry has a kube-apiserver as a package: Debian's source package `kubernetes` is the newest
# that holds one, and its binary packages are kubectl alone. Compiling takes about 5 minutes on two
# cores and 3 GB of disk meanwhile; nothing is installed but `make` and `rsync`, and nothing is done
# where DIR is complete. DIR/source stays where compiling failed.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/lib.sh"
dir=$(readlink -m "$1") work=$(readlink -m "$1")/source
source_version='1.20.5+really1.20.2-1.1+deb12u1' # the version that it really is follows "really"
version=1.20.2
compiler=(golang-1.19-go=1.19.8-2 golang-1.19-src=1.19.8-2
  golang-github-modern-go-reflect2-dev=1.0.2-2)
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet)

"$here/debs.sh" bookworm "$dir/debs" "kubernetes-client=$source_version" \
  etcd-server=3.4.23-4+b4 containerd=1.6.20~ds1-1+deb12u3 runc=1.1.5+ds1-1+deb12u1 \
  containernetworking-plugins=1.1.1+ds1-3+b5

# Debian's patches are for kubectl, so upstream's own files do.
fetch_source() {
  [ ! -e "$work/.fetched" ] || return 0
  local apt=()
  rm -rf "$work"
  mkdir -p "$work/apt" "$work/src"
  apt_of_suite "$work/apt" bookworm deb-src
  say "fetching the source of Debian bookworm's kubernetes"
  "${apt[@]}" update || die "the sources of Debian bookworm are not to be had from apt's mirror"
  (cd "$work" && "${apt[@]}" source --download-only kubernetes) ||
    die "Debian bookworm has no source package kubernetes here (tested with $source_version)"
  [ -e "$work/kubernetes_$source_version.dsc" ] ||
    warn "$(cd "$work" && echo kubernetes_*.dsc) is untested here (tested with $source_version)"
  tar -xzf "$work"/kubernetes_*.orig.tar.gz -C "$work/src" --strip-components=1
  "$here/debs.sh" bookworm "$work/go" "${compiler[@]}"
  touch "$work/.fetched"
}

# Its own reflect2 knows no maps of Go 1.18 and newer: the apiserver crashes at the first.
# https://github.com/modern-go/reflect2/pull/25
newer_reflect2() {
  local to=$work/src/vendor/github.com/modern-go/reflect2
  rm -f "$to"/*.go
  cp "$work"/go/usr/share/gocode/src/github.com/modern-go/reflect2/*.go "$to/"
}

# kubelet 1.20 looks every ten seconds whether a Pod is gone, and every minute for what it left, so
# that one is listed for up to a minute after its end: newer ones are quicker, and tests delete one
# each. And it looks for Docker, once a second for five, before it starts.
quicker_kubelet() {
  replace pkg/kubelet/status/status_manager.go 'syncPeriod = 10 \* time.Second' \
    'syncPeriod = time.Second'
  replace pkg/kubelet/kubelet.go 'ContainerGCPeriod = time.Minute' \
    'ContainerGCPeriod = 2 * time.Second'
  replace vendor/github.com/google/cadvisor/container/docker/factory.go \
    'rootDirRetries *= 5' 'rootDirRetries = 0'
}

replace() { # FILE PATTERN BY
  ! grep -qF "$3" "$work/src/$1" || return 0
  grep -q "$2" "$work/src/$1" || die "the source is not as expected: no '$2' in $1"
  sed -i "s/$2/$3/" "$work/src/$1"
}

compile() {
  local cmd=("${programs[@]/#/cmd/}")
  mkdir -p "$work/src/.go/src/k8s.io" "$work/home"
  ln -sfn ../../.. "$work/src/.go/src/k8s.io/kubernetes"
  say "compiling Kubernetes $version (about 5 minutes)"
  go_env make -C "$work/src" WHAT="${cmd[*]}" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    die "Kubernetes $version does not compile: see above, and all of it in $work/log"
  }
  rm -rf "${dir:?}/bin"
  mkdir -p "$dir/bin"
  install -m 755 -t "$dir/bin" "${programs[@]/#/$work/src/_output/bin/}"
}

go_env() { # COMMAND...
  env -u GOROOT -u MAKEFLAGS -u MAKELEVEL HOME="$work/home" PATH="$work/go/usr/lib/go-1.19/bin:$PATH" \
    GOPATH="$work/src/.go" GOFLAGS=-mod=vendor GOPROXY=off CGO_ENABLED=0 "$@"
}

# A Pod's own process, which holds its network while containers come and go.
pause_image() {
  local image=$work/image layer
  mkdir -p "$image/pause"
  cat >"$image/pause/main.go" <<'GO'
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
GO
  go_env GOFLAGS= GO111MODULE=off GOCACHE="$work/home/cache" \
    go build -ldflags '-s -w' -o "$dir/bin/pause" "$image/pause/main.go"
  tar -C "$dir/bin" --owner=0 --group=0 -cf "$image/layer.tar" pause
  layer=$(sha256sum <"$image/layer.tar")
  printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"]},
    "rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(dpkg --print-architecture)" "${layer%% *}" >"$image/config.json"
  printf '[{"Config":"config.json","RepoTags":["localhost/pause:3"],"Layers":["layer.tar"]}]' \
    >"$image/manifest.json"
  tar -C "$image" -cf "$dir/pause.tar" manifest.json config.json layer.tar
}

# What is compiled, with which, and how, but for comments.
wanted="$source_version ${compiler[*]} ${programs[*]}
$(declare -f newer_reflect2 quicker_kubelet compile go_env pause_image | sha256sum)"
[ "$(cat "$dir/.compiled" 2>/dev/null)" = "$wanted" ] && exit 0
fetch_source
packages make rsync
newer_reflect2
quicker_kubelet
compile
pause_image
"$dir/bin/kube-apiserver" --version >/dev/null || die "what was compiled in $dir/bin does not run"
rm -rf "$work"
echo "$wanted" >"$dir/.compiled"
