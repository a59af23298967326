# Sourced by engines.sh, for its $cache, $run and `wait_for`.

registry_up() { # NAME [HTPASSWD-LINE]
  local directory=$run/$1 port
  mkdir -p "$directory/data"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
  {
    printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\n' "$directory/data"
    printf 'http:\n  addr: %s\n' "127.0.0.1:$port"
    [ -z "${2:-}" ] || printf 'auth:\n  htpasswd:\n    realm: tests\n    path: %s\n' \
      "$directory/htpasswd"
  } >"$directory/config.yml"
  [ -z "${2:-}" ] || echo "$2" >"$directory/htpasswd"
  setsid "$cache/registry/usr/bin/docker-registry" serve "$directory/config.yml" \
    >"$directory/log" 2>&1 </dev/null &
  echo $! >"$directory/pid"
  echo "127.0.0.1:$port" >"$directory/address"
  wait_for 20 "The registry" "$directory/log" \
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))"
}
