"""One kernel's container, from start to end."""
