"""A notebook's file and its cells."""
