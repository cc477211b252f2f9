"""A plain addon with a canned answer, on the engine that chatreel runs on, with the addons that interception needs.

Run as `python -m hits.plain_addon PORT FOLDER`: a forward proxy that opens TLS and answers everything itself.
"""

import asyncio
import sys

from mitmproxy import http
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.master import Master
from mitmproxy.options import Options

from hits.corpus import Form, call

ANSWER = call(Form.JSON, 0).answer


class Canned:
    """The addon."""

    def request(self, flow: http.HTTPFlow) -> None:
        """Answer."""
        flow.response = http.Response.make(200, ANSWER, {"content-type": "application/json"})


async def serve(port: int, folder: str) -> None:
    """Until it is killed."""
    master = Master(Options(), event_loop=asyncio.get_running_loop())
    master.addons.add(Canned(), Proxyserver(), NextLayer(), TlsConfig())
    master.options.update(
        confdir=folder, upstream_cert=False, connection_strategy="lazy", mode=[f"regular@127.0.0.1:{port}"]
    )
    await master.run()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
