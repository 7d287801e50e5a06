"""What workers and hosts share: a few small records with a compare-and-set."""
