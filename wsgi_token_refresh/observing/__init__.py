"""What an operator sees of what was decided."""
