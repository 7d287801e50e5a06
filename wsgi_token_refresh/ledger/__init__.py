"""One refresh for all, and nobody left behind: families, their records, and the single flight."""
