# What an image has, said by its shell: sh -c TEXT sh NONCE DIRECTORY PYTHON_TEXT. POSIX sh.
# The first Python that can run PYTHON_TEXT (probe_inside.py) says everything. Where there is
# none, this prints what a shell can find out, in sections that begin with `==NONCE name`.
nonce=$1 dir=$2 text=$3

pythons() {
    command -v python3
    command -v python
    for file in "$VIRTUAL_ENV"/bin/python "$CONDA_PREFIX"/bin/python /opt/conda/bin/python3 \
        /venv/bin/python /opt/*/bin/python3 /.venv/bin/python /*/.venv/bin/python \
        /usr/local/bin/python3* /usr/bin/python3* /usr/bin/python2*; do
        case $file in *config | *-dbg) continue ;; esac
        [ -x "$file" ] && [ ! -d "$file" ] && echo "$file"
    done
}

show() {
    echo "==$nonce $2"
    [ -r "$1" ] && [ -f "$1" ] && { head -c 65536 "$1" 2>/dev/null || cat "$1"; }
    echo
}

IFS='
'
found=$(pythons)
for python in $found; do
    "$python" -I -S -c "$text" "$nonce" "$dir" "$text" 2>/dev/null && exit 0
done
for python in $found; do
    echo "==$nonce python $python"
    "$python" -V 2>&1
    echo
done
[ -n "$dir" ] && printf '%s' "$nonce" >"$dir/file"
echo "==$nonce boot"
IFS= read -r boot </proc/sys/kernel/random/boot_id && echo "$boot"
for shell in /bin/bash /usr/bin/bash /bin/sh; do
    [ -x "$shell" ] && echo "==$nonce shell" && echo "$shell" && break
done
show /etc/passwd passwd
show /etc/group group
show /etc/os-release os
for place in "$CONDA_PREFIX"/share/jupyter "$JUPYTER_DATA_DIR" /usr/local/share/jupyter \
    /usr/share/jupyter /opt/*/share/jupyter /opt/conda/envs/*/share/jupyter \
    /home/*/.local/share/jupyter /root/.local/share/jupyter; do
    for spec in "$place"/kernels/*/kernel.json "$place"/kernels/.[!.]*/kernel.json; do
        [ -f "$spec" ] || continue
        show "$spec" "kernel ${spec%/kernel.json}"
    done
done
exit 0
