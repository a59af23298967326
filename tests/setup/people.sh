# people.sh: those that tests/hub makes. It removes them itself, unless it is killed. Sourced by
# engines.sh.
# shellcheck shell=bash

hub_people() { getent passwd | awk -F: '$1 ~ /^jct-/ {print $1}'; }

no_people_left() {
  local found
  found=$(hub_people)
  [ -z "$found" ] || die "tests left people behind: $found"
}

no_hub_people() {
  local one uid
  for one in $(hub_people); do
    uid=$(id -u "$one")
    pkill -KILL -u "$uid" || true
    timeout 10 sh -c 'while pgrep -u "$0" >/dev/null; do sleep 0.2; done' "$uid" || true
    awk -v d="/home/$one/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r |
      xargs -r -n 1 umount -l 2>/dev/null || true
    userdel -r "$one" 2>/dev/null || true
    rm -rf "/run/user/$uid" "/tmp/jc-$uid" || true
  done
  # Hubs of a run that was killed, and their proxies, which have a session of their own.
  pkill -KILL -f '^[^ ]*python[^ ]* .*/var/tmp/jct-hub-' || true
  for one in /var/tmp/jct-hub-*/hub-*/jupyterhub-proxy.pid; do
    [ ! -s "$one" ] || kill -KILL "$(cat "$one")" 2>/dev/null || true
  done
  rm -rf /var/tmp/jct-hub-* /srv/jct-hub-shared || true
}
