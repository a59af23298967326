"""`jupyter containers`: a module for each command."""
