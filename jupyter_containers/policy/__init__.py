"""What the administrator allows, and what this person has approved."""
