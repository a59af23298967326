"""Docker, by its command line."""
