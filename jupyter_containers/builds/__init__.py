"""From a `%%dockerfile` cell to an image: plan, jobs, bases, lint, prune."""
