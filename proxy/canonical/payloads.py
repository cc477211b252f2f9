"""Media inside a message: long strings enter the document by their digest, so that it stays small."""

import hashlib

from chatreel.canonical.values import Tree, canonical_member, canonical_value
from chatreel.model import Json

MEDIA = frozenset({"image_url", "input_audio", "file", "video_url", "audio_url", "document_url", "audio"})
"""Members of a content part, and of an assistant message, that hold media: a string, or an object with strings."""

MAX_INLINE = 512
"""Characters. Longer strings are digested: base64 data all but always is, the address of a picture hardly ever."""

_DIGEST = "sha256:"
_VERBATIM = "verbatim:"


def canonical_media(node: Json) -> Tree:
    """Return the canonical form of a media member, long strings replaced by `sha256:<hex digits>:<characters>`."""
    if isinstance(node, str):
        return _canonical_payload(node)
    if isinstance(node, dict):
        return {
            name: _canonical_payload(child) if isinstance(child, str) else canonical_member(name, child)
            for name, child in sorted(node.items())
        }
    return canonical_value(node)


def _canonical_payload(text: str) -> str:
    if len(text) > MAX_INLINE:
        return f"{_DIGEST}{hashlib.sha256(text.encode()).hexdigest()}:{len(text)}"
    # Whoever sends a digest as the text itself must not get the answer to what it is the digest of.
    return _VERBATIM + text if text.startswith((_DIGEST, _VERBATIM)) else text
