"""The tables. One schema for every engine; the revision names it.

Ids only ever grow (AUTOINCREMENT): a reader that remembers the last id it has seen never meets an older row anew.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

REVISION = "0001"
"""Of the schema below. Kept in the table where Alembic looks for it."""

metadata = MetaData()

_Id = BigInteger().with_variant(Integer, "sqlite")
_DIGEST = LargeBinary(32)

version = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))

KEYED_BY = "keyed_by"
"""Name of the rows of `meta` that say how keys were made: one row for each way that is in use."""

meta = Table(
    "meta",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, primary_key=True),
)

payloads = Table(
    "payloads",
    metadata,
    Column("digest", _DIGEST, primary_key=True, comment="SHA-256 of the content"),
    Column("size", BigInteger, nullable=False, comment="bytes of the content"),
    Column("codec", String(16), nullable=False, comment="how `data` holds the content: see chatreel.store.payloads"),
    Column("data", LargeBinary, nullable=False),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("cassette", Text, nullable=False, comment="namespace; empty for the working store"),
    Column("key", String(80), nullable=False),
    Column("upstream", Text, nullable=False, comment="origin of the API that answered"),
    Column("path", Text, nullable=False),
    Column("query", Text, nullable=False, comment="without credentials"),
    Column("tenant", String(64), comment="keyed hash of the credentials; NULL if the scope was shared"),
    Column("model", Text, nullable=False),
    Column("recorded_at", Double, nullable=False, comment="seconds since the epoch"),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False, comment="JSON: kept response headers as [name, value] pairs"),
    Column("form", String(8), nullable=False, comment="wire form: json or sse"),
    Column("usage_added", Boolean, nullable=False, comment="usage was asked for by chatreel, not by the client"),
    Column("document", _DIGEST, ForeignKey("payloads.digest"), nullable=False),
    Column("request", _DIGEST, ForeignKey("payloads.digest"), nullable=False),
    Column("body", _DIGEST, ForeignKey("payloads.digest"), nullable=False),
    Column("completion", _DIGEST, ForeignKey("payloads.digest"), nullable=False),
    Column("pieces", LargeBinary, nullable=False, comment="arrival of the body: see chatreel.store.payloads"),
    Index("recordings_by_key", "cassette", "key", "id"),
    Index("recordings_by_route", "cassette", "upstream", "path", "tenant", "id"),
    sqlite_autoincrement=True,
)

marks = Table(
    "marks",
    metadata,
    Column("mark", BigInteger, primary_key=True, comment="of the canonical document: see chatreel.sketch"),
    # No foreign key: it would need an index of its own. Marks of what is gone lead nowhere.
    Column("recording_id", _Id, primary_key=True),
    sqlite_with_rowid=False,
)

calls = Table(
    "calls",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("call_id", String(36), nullable=False, unique=True),
    Column("started_at", Double, nullable=False, comment="seconds since the epoch"),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text, nullable=False, comment="why it was not stored, refused or failed; empty if all went well"),
    Column("mode", String(16), nullable=False),
    Column("cassette", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("query", Text, nullable=False, comment="without credentials"),
    Column("tenant", String(64), comment="keyed hash of the credentials; NULL if the scope was shared"),
    Column("model", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("status", Integer, comment="what the client got; NULL if it got no response"),
    Column("key", String(80)),
    Column("recording_id", _Id, comment="served or made by this call"),
    Column("latency", Double, nullable=False, comment="seconds, request read to response complete"),
    Column(
        "first_piece", Double, comment="seconds to the first piece of the body from upstream; NULL if not forwarded"
    ),
    Column("request", _DIGEST, ForeignKey("payloads.digest"), comment="body of a refused call"),
    Index("calls_by_time", "started_at"),
    sqlite_autoincrement=True,
)
