"""Engines whose containers are child processes."""
