"""NVIDIA's enroot."""
