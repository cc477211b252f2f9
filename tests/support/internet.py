"""An internet of one machine: names that lead to servers of a test, with certificates from a CA of its own.

The program under test runs with a resolver that knows these names and their ports, so that clients can ask for
`https://api.openai.com` as they always do.
"""

import json
import ssl
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import trustme

_VARIABLE = "TEST_HOSTS"

PLANTED = f"""
import functools, json, os, socket

hosts = json.loads(os.environ.pop("{_VARIABLE}"))
resolve = socket.getaddrinfo

def getaddrinfo(host, port, *args, **named):
    name = host.decode() if isinstance(host, bytes) else host
    answers = hosts.get((name or "").lower().removesuffix("."))
    if answers is not None:
        host, port = answers.pop(0) if len(answers) > 1 else answers[0]
    if host == "nowhere":
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return resolve(host, port, *args, **named)

socket.getaddrinfo = getaddrinfo
try:
    import uvloop
except ImportError:
    pass
else:
    class Loop(uvloop.Loop):  # it resolves names by itself, where nothing can be planted

        async def getaddrinfo(self, *args, **named):
            return await self.run_in_executor(None, functools.partial(getaddrinfo, *args, **named))

        async def create_connection(self, factory, host=None, port=None, **named):
            if host is not None:
                found = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                host, port = found[0][4][:2]
            return await super().create_connection(factory, host, port, **named)

    uvloop.new_event_loop = Loop
from chatreel.cli import main
main()
"""

PROGRAM = (sys.executable, "-c", PLANTED)
"""`chatreel`, whose names lead where `Internet.variables` say."""


class OnlyHttp2(ssl.SSLContext):
    """httpx offers HTTP/1.1 first, and the proxy takes the client's first choice."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:  # noqa: ARG002 - the base class's signature
        super().set_alpn_protocols(["h2"])


@dataclass(frozen=True)
class Internet:
    """Names, and a CA that everybody trusts."""

    authority: trustme.CA
    folder: Path

    def server(self, *names: str) -> ssl.SSLContext:
        """What a server needs to have these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names).configure_cert(context)
        return context

    @property
    def roots(self) -> str:
        """A file with the CA's certificate."""
        path = self.folder / "roots.pem"
        if not path.exists():
            self.authority.cert_pem.write_to_path(str(path))
        return str(path)

    def variables(self, hosts: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
        """The environment of `PROGRAM`. `hosts`: name -> URL of the server that answers to it.

        Of several URLs each lookup takes the next; the last one stays. A host called `nowhere` cannot be found.
        """
        addresses = {
            name: [_address(url) for url in ([urls] if isinstance(urls, str) else urls)] for name, urls in hosts.items()
        }
        return {_VARIABLE: json.dumps(addresses), "SSL_CERT_FILE": self.roots}


def _address(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port
