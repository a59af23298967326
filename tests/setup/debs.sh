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

mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
  sed -n 's/^Debian|Debian|//p' | head -n 1)
[ -n "$mirror" ] || die "apt knows no Debian mirror here: $* cannot be fetched"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
apt=(apt-get -qq
  -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
  -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
  -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root)

say "fetching ${*%%=*} of Debian $suite"
"${apt[@]}" update || die "Debian $suite is not to be had from $mirror (needed: ${*%%=*})"
for item in "$@"; do
  package=${item%%=*} tested=${item#*=}
  (cd "$work/debs" && "${apt[@]}" download "$package" >/dev/null 2>&1) ||
    die "Debian $suite at $mirror has no package $package (tested with $tested)"
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
