"""The chunks of one read go on as one, and mean what they mean to h11."""

from itertools import pairwise

from h11 import Data, EndOfMessage, ProtocolError
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from hypothesis import given
from hypothesis import strategies as st

from chatreel.engine.interim import Together

CHUNKS = st.lists(st.binary(min_size=1, max_size=20), max_size=6)
ENDS = st.sampled_from([b"0\r\n\r\n", b"0\r\ntrailer: x\r\n\r\n", b"no chunk\r\n", b""])


def parts(reader: ChunkedReader, body: bytes, cuts: list[int]) -> list[list[Data | EndOfMessage | str]]:
    """What the reader makes of each read; an error, as text, ends it."""
    buffer = ReceiveBuffer()
    found: list[list[Data | EndOfMessage | str]] = []
    for start, end in pairwise(sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})):
        buffer += body[start:end]
        found.append([])
        try:
            while (event := reader(buffer)) is not None:
                found[-1].append(event)
                if isinstance(event, EndOfMessage):
                    return found
        except ProtocolError as error:
            found[-1].append(str(error))
            return found
    return found


def told(found: list[list[Data | EndOfMessage | str]]) -> list[tuple[bytes, object]]:
    """The bytes of each read, and what is said besides."""
    return [
        (
            b"".join(bytes(event.data) for event in read if isinstance(event, Data)),
            next((str(event) for event in read if not isinstance(event, Data)), None),
        )
        for read in found
    ]


@given(CHUNKS, ENDS, st.lists(st.integers(0, 200), max_size=6))
def test_each_read_gives_one_piece_and_the_same_as_chunk_by_chunk(
    chunks: list[bytes], end: bytes, cuts: list[int]
) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    together = parts(Together(), body, cuts)
    assert told(together) == told(parts(ChunkedReader(), body, cuts))
    assert all(sum(isinstance(event, Data) for event in read) <= 1 for read in together)
