"""What tests of several levels use."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""
