"""What an image has, and what it gets to run a kernel."""
