"""What one notebook or kernel spec asks for: the table of keys, and their values."""
