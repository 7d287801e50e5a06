"""Thin wiring for frameworks and servers: each module wraps, and none is loaded unless it is named."""
