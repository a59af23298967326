"""What runs inside a container: standard library only, Python 3.9 and newer.

`main.py` is the container's first process, `boot.py` starts ipykernel in a process of its own,
`magic.py` is the `%%dockerfile` a kernel in a container knows. The directory is mounted
read-only; nothing in here is ever imported by the server.
"""
