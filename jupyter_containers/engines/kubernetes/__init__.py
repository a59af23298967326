"""The engine Kubernetes: kernels as Pods of a cluster."""
