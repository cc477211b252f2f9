"""The three of mitmproxy's addons that take part here, imported without the others.

`mitmproxy.addons` imports all forty of them when it is executed, web server and LDAP client included: a tenth of a
start. So the package stands there unexecuted, and gives whoever asks those of its modules that are asked for.
"""

import sys
from importlib.util import find_spec, module_from_spec

_PACKAGE = "mitmproxy.addons"

if _PACKAGE not in sys.modules and (spec := find_spec(_PACKAGE)):
    sys.modules[_PACKAGE] = module_from_spec(spec)

from mitmproxy.addons.next_layer import NextLayer  # noqa: E402
from mitmproxy.addons.proxyserver import Proxyserver  # noqa: E402
from mitmproxy.addons.tlsconfig import TlsConfig  # noqa: E402

__all__ = ["NextLayer", "Proxyserver", "TlsConfig"]
