"""One flat vocabulary for ini files, the environment and Flask's config."""

from .collaborators import read_settings
from .words import WORDS

__all__ = ["WORDS", "read_settings"]
