"""GPUs and other devices, by their CDI names."""
