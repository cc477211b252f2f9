"""Addresses that a forward proxy does not connect to unless they were named."""

import pytest

from chatreel.destinations import is_guarded


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_link_local_addresses_and_metadata_services_are_guarded_in_every_spelling(address: str) -> None:
    assert is_guarded(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "8.8.8.8", "::1", "fd00::1", "2606::1", "h", ""]
)
def test_all_others_are_not(address: str) -> None:
    assert not is_guarded(address)
