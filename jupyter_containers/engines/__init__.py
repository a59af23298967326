"""Everything that starts a container program."""
