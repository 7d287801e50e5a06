"""What ``make demo`` and ``make demo-storm`` run; not part of the package."""
