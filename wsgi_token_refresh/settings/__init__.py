"""One flat vocabulary for ini files, the environment and Flask's config."""

from .words import WORDS, read_settings

__all__ = ["WORDS", "read_settings"]
