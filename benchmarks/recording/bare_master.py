"""A master that only forwards, on the engine that chatreel runs on: the addons that are needed, each chunk as it comes.

Run as `python -m recording.bare_master PORT UPSTREAM_PORT FOLDER`.
"""

import asyncio
import sys

from mitmproxy import http
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.master import Master
from mitmproxy.options import Options


class Forward:
    """The addon."""

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Keep nothing."""
        if flow.response:
            flow.response.stream = True


async def serve(port: int, upstream: int, folder: str) -> None:
    """Until it is killed."""
    master = Master(Options(), event_loop=asyncio.get_running_loop())
    master.addons.add(Forward(), Proxyserver(), NextLayer(), TlsConfig())
    master.options.update(
        confdir=folder,
        connection_strategy="lazy",  # as a proxy needs it that also replays
        mode=[f"reverse:http://127.0.0.1:{upstream}@127.0.0.1:{port}"],
    )
    await master.run()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
