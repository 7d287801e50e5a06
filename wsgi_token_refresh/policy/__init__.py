"""What is decided: paths, routes and decisions, as values without I/O."""
