"""chatreel: a record/replay caching proxy for the Chat Completions API."""

__version__ = "0.1.0"
