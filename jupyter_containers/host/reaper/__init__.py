"""Ends and removes what a killed process leaves: a process of its own."""
