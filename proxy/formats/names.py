"""The formats by name, as the command line takes them."""

from enum import StrEnum


class Format(StrEnum):
    """What can be imported."""

    CHATREEL = "chatreel"
    VCR = "vcr"
    """VCR.py, pytest-recording, cassetter, VCR for Ruby, go-vcr."""
    HAR = "har"
    MITMPROXY = "mitmproxy"
    AIMOCK = "aimock"


class Written(StrEnum):
    """What can be written."""

    CHATREEL = "chatreel"
    VCR = "vcr"
    HAR = "har"
