"""Reads a Dockerfile and the files it names. Starts nothing."""
