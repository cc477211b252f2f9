"""The edge to mitmproxy: the only package that imports it. Needs the extra `chatreel[proxy]`."""

import sys
from importlib.util import find_spec, module_from_spec


def _leave_out_other_addons() -> None:
    """`mitmproxy.addons` imports all forty of them, web server and LDAP included: a tenth of a start.

    So the package stands there unexecuted, and gives whoever asks those of its modules that are asked for. Raises
    `ImportError` without mitmproxy.
    """
    name = "mitmproxy.addons"
    if name not in sys.modules and (spec := find_spec(name)):
        sys.modules[name] = module_from_spec(spec)


_leave_out_other_addons()
