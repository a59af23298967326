#!/bin/bash
# debs.sh SUITE DIR PACKAGE=TESTED-VERSION...
# Unpack packages of a Debian suite, this machine's or another, under DIR; nothing is installed.
# They come through the mirror that apt is set up for. A version other than the tested one is
# taken with a warning.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
suite=$1 dir=$2
shift 2

wanted="$suite $*"
[ "$(cat "$dir/.unpacked" 2>/dev/null)" = "$wanted" ] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
apt=()
apt_of_suite "$work" "$suite" deb
mkdir "$work/debs"

say "fetching ${*%%=*} of Debian $suite"
"${apt[@]}" update || die "Debian $suite is not to be had from apt's mirror (needed: ${*%%=*})"
for item in "$@"; do
  package=${item%%=*} tested=${item#*=}
  (cd "$work/debs" && "${apt[@]}" download "$package" >/dev/null 2>&1) ||
    die "Debian $suite has no package $package at apt's mirror (tested with $tested)"
  deb=$(ls "$work/debs/${package}"_*.deb)
  found=$(dpkg-deb -f "$deb" Version)
  [ "$found" = "$tested" ] ||
    warn "$package $found of Debian $suite is untested here (tested with $tested)"
done
rm -rf "$dir"
mkdir -p "$dir"
for deb in "$work"/debs/*.deb; do
  dpkg-deb -x "$deb" "$dir"
done
printf '%s\n' "$wanted" >"$dir/.unpacked"
