"""Kernels as Pods of a cluster."""
