#!/bin/bash
# apptainer.sh CACHE: Debian sid's Apptainer below CACHE/apptainer, for Debian 12 too, which has none.
#
# It is built for a newer C library than Debian 12's, so it gets one of its own (trixie's). Its
# files lie elsewhere than it was built for; `/etc` and `/var` are looked for beside its `lib`.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/lib.sh"
cache=$1 to=$1/apptainer
packages patchelf squashfs-tools squashfuse fuse-overlayfs uidmap libseccomp2 libsqlite3-0

[ -e "$to/.ready" ] && exit 0
"$here/debs.sh" sid "$to" apptainer=1.4.5-2
"$here/debs.sh" trixie "$cache/glibc" libc6=2.41-12+deb13u5
mv "$to/etc" "$to/usr/etc"
mkdir -p "$to/usr/var/lib/apptainer/mnt/session"
ln -s ../etc "$to/usr/lib/etc"
ln -s ../var "$to/usr/lib/var"
libraries=$cache/glibc/usr/lib/x86_64-linux-gnu
for program in "$to/usr/bin/apptainer" "$to/usr/lib/x86_64-linux-gnu/apptainer/bin/starter"; do
  patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" \
    --set-rpath "$libraries:/usr/lib/x86_64-linux-gnu" "$program"
done
# As root without CAP_SYS_RESOURCE and without systemd, as on the machines that run the tests.
sed -i 's/^root default capabilities = .*/root default capabilities = file/
  s/^systemd cgroups = .*/systemd cgroups = no/' "$to/usr/etc/apptainer/apptainer.conf"
ln -sf apptainer "$to/usr/bin/singularity"
chmod -R a+rX "$to" "$cache/glibc"
"$to/usr/bin/apptainer" --version >/dev/null ||
  die "Apptainer of Debian sid does not run on this Debian (tested with 1.4.5 on Debian 12)"
touch "$to/.ready"
