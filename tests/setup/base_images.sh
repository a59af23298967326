#!/bin/bash
# base_images.sh DIR SUITE...: root file systems for the tests as tars, from the distribution's
# packages: Python 3.9, 3.11 and 3.13 (bullseye, bookworm, trixie), and busybox alone (2 MB).
# They are kept in DIR while the packages that this machine's mirror offers are the same;
# `base_images.sh --key` prints what changes with those.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/lib.sh"
top=$(dirname "$(dirname "$here")")

versions=$(
  apt-cache policy python3 python3-pip libc6 busybox-static 2>/dev/null | grep Candidate || true
  cat "$top/jupyter_containers/images/bootstrap.py"
)
stamp=$(sha256sum <<<"$versions")
if [ "$1" = --key ]; then
  echo "${stamp%% *}"
  exit
fi
dir=$1
shift
python=${PYTHON:-$top/.venv/bin/python}

make_one() { # SUITE
  [ ! -s "$dir/$1.tar" ] || return 0
  say "making a base image of Debian $1 (about 30 s)"
  "$python" "$here/root_filesystem.py" "$1" "$dir/$1.tar.part" &&
    mv "$dir/$1.tar.part" "$dir/$1.tar"
}

mkdir -p "$dir"
[ "$(cat "$dir/.images" 2>/dev/null)" = "$stamp" ] || rm -f "$dir"/*.tar
echo "$stamp" >"$dir/.images"

# Side by side: half of it is waiting for a mirror.
making=()
for suite in "$@"; do
  make_one "$suite" &
  making+=($!)
done
for one in "${making[@]}"; do wait "$one"; done

if [ ! -s "$dir/busybox.tar" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/bin" "$work/etc" "$work/tmp"
  chmod 1777 "$work/tmp"
  cp "$(command -v busybox)" "$work/bin/busybox"
  for applet in $("$work/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/bin/$applet"
  done
  tar -C "$work" --owner=0 --group=0 -cf "$dir/busybox.tar.part" .
  mv "$dir/busybox.tar.part" "$dir/busybox.tar"
fi
