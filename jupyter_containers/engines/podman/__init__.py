"""Podman and podman-hpc, by their command lines."""
