"""The authorization server as a client sees it: its token endpoint, its keys, and the HTTP in between."""
