"""The reference material beside the repository, for tests that check against real recordings."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

SHARED: Path | None = next((folder for folder in [REPOSITORY.parent / "shared"] if folder.is_dir()), None)
"""The folder `../shared` beside the repository, or None where there is none."""

needs_shared = pytest.mark.skipif(SHARED is None, reason="needs the reference material in ../shared, which is not here")
"""Marks a test that cannot run without `SHARED`."""


def shared(*parts: str) -> Path:
    """A path inside `SHARED`. Skips the running test where the folder or the path is missing."""
    if SHARED is None:
        pytest.skip("needs the reference material in ../shared, which is not here")
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs ../shared/{'/'.join(parts)}, which is not here")
    return path


def traffic(*suffixes: str) -> list[Path]:
    """The recordings with one of `suffixes` (as in ".yaml"), sorted; empty without `SHARED`, so it can parametrize."""
    if SHARED is None:
        return []
    return sorted(path for path in (SHARED / "recordings" / "traffic").rglob("*") if path.suffix in suffixes)
