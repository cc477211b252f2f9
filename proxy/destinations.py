"""Addresses that a forward proxy connects to only if they were named: where clouds keep the keys of their machines.

Link-local addresses reach nothing but the machine's own network, and it is there that metadata services answer whoever
asks with credentials. A few providers put theirs elsewhere.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

METADATA: frozenset[IPv4Address | IPv6Address] = frozenset(
    map(
        ip_address,
        (
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure's wire server
            "192.0.0.192",  # Oracle Cloud, the older address
            "fd00:ec2::254",  # Amazon EC2
            "fd20:ce::254",  # Google Cloud
            "fd00:42::42",  # Scaleway
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


def is_guarded(address: str) -> bool:
    """Whether this is a link-local address or one of a metadata service; `False` for whatever is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        found = _inside(found)
    return found.is_link_local or found in METADATA


def _inside(address: IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if it does: mapped, translated (NAT64), or 6to4."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
