"""This machine: processes, directories, owners, the reaper."""
