"""Charliecloud: `ch-run` and `ch-image`."""
