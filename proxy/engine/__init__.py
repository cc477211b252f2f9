"""The edge to mitmproxy: the only package that imports it. Needs the extra `chatreel[proxy]`."""
