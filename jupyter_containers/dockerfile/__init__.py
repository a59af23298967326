"""A Dockerfile's text understood, and the files it names. Starts nothing."""
