"""Containers in jobs of Slurm."""
