"""TLS of the engine, whose certificate authority is read, or made, once somebody is to be shown a certificate of it.

To read its key takes a tenth of a start, and a reverse proxy shows certificates to nobody that speaks HTTP to it.

Written against mitmproxy 12.2 (`mitmproxy/addons/tlsconfig.py`); pyproject.toml caps the version.
"""

from mitmproxy.http import HTTPFlow
from mitmproxy.tls import TlsData

from chatreel.engine.engine_addons import TlsConfig

_OPTIONS = {"certs", "confdir", "key_size", "cert_passphrase"}
"""Which authority, and how it is read."""


class Tls(TlsConfig):
    """It reads the authority once, not each time that it is told the folder."""

    def read_authority(self) -> None:
        """Have it, unless it is there already."""
        if self.certstore is None:
            super().configure(_OPTIONS)

    def configure(self, updated: set[str]) -> None:
        super().configure(updated - _OPTIONS)  # type: ignore[no-untyped-call]

    def tls_start_client(self, tls_start: TlsData) -> None:
        self.read_authority()
        super().tls_start_client(tls_start)

    def request(self, flow: HTTPFlow) -> None:
        """Asked for what has been revoked; nobody knows where to ask who has not been shown a certificate."""
        if self.certstore is not None:
            super().request(flow)

    def running(self) -> None:
        pass
