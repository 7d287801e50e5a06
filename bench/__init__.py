"""What the middleware costs, measured beside what one would pay anyway: ``python -m bench``."""
