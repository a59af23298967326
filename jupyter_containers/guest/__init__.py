"""What runs inside a container: standard library only, Python 3.9 and newer.

`main.py` is the container's first process, `boot.py` starts ipykernel in a process of its own,
`magic.py` is the `%%dockerfile` a kernel in a container knows; in a Pod of Kubernetes, `pod.py` comes
before `main.py`. The directory is mounted read-only. The server imports what both sides have to
read alike, `cell.py` and `mux.py`, and nothing else.
"""
