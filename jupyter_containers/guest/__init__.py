"""What runs inside a container: standard library only, Python 3.9 and newer.

`main.py` is the container's first process, in a Pod of Kubernetes after `pod.py`; `boot.py` starts
ipykernel in a process of its own, `magic.py` is the `%%dockerfile` a kernel in a container knows.
The directory is mounted read-only. The server imports only what both sides have to read alike, such
as `cell.py` and `mux.py`.
"""
