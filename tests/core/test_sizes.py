"""Sizes as people write them."""

import pytest

from chatreel.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("64MB", 64_000_000),
        ("64 mb", 64_000_000),
        ("64MiB", 64 * 2**20),
        (" 10k\n", 10_000),
        ("1.5 GiB", 3 * 2**29),
        (".5kb", 500),
        ("2TB", 2 * 10**12),
        ("8EiB", 2**63),
    ],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1e3", "1,5GB", "1.GB", "5 bananas", "1 2", "nan", "٣MB", "1MBB"])
def test_all_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no size: give one such as 500MB or 2GiB"):
        parse_size(text)
