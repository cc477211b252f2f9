"""Settings: flags > environment (`CHATREEL_*`) > `chatreel.toml` > `[tool.chatreel]` in `pyproject.toml` > defaults.

    settings   all there are, their defaults, and how each is read
    readers    what a number, a size, a span of time may be given as
    tables     and rules, prices, shapes of secrets
    loading    where they come from, and which of several counts
    conflicts  which do not go together

A library that does this was a sixth of a start.
"""

from chatreel.config.loading import load_settings, with_fallback
from chatreel.config.settings import READERS, Settings

__all__ = ["READERS", "Settings", "load_settings", "with_fallback"]
