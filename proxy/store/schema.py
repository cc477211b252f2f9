"""The tables. One schema for every engine; the revision names it, `chatreel.store.migrations` leads to it.

Ids only ever grow (AUTOINCREMENT): a reader that remembers the last id it has seen never meets an older row anew.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Constraint,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    false,
)

from chatreel.store.text import text

REVISION = "0002"
"""Of the schema below. Kept in the table where Alembic looks for it."""

OLDER = ("0001",)
"""Revisions that a store is upgraded from."""

metadata = MetaData()

_Id = BigInteger().with_variant(Integer, "sqlite")
_DIGEST = LargeBinary(32)


def _lead_to_payloads(*columns: str) -> list[Constraint]:
    """Columns that hold digests of payloads. Whoever writes or deletes keeps that promise: `chatreel.store.payloads`.

    No engine enforces it, since every payload that is deleted would cost a search of all recordings. SQLite keeps the
    declarations all the same: `PRAGMA foreign_key_check` finds what is amiss.
    """
    return [ForeignKeyConstraint([name], ["payloads.digest"]).ddl_if(dialect="sqlite") for name in columns]


version = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))

KEYED_BY = "keyed_by"
"""Name of the rows of `meta` that say how keys were made: one row for each way that is in use."""

meta = Table(
    "meta",
    metadata,
    Column("name", text(32), primary_key=True),
    Column("value", text(), primary_key=True),
)

payloads = Table(
    "payloads",
    metadata,
    Column("digest", _DIGEST, primary_key=True, comment="SHA-256 of the content"),
    Column("size", BigInteger, nullable=False, comment="bytes of the content"),
    Column("codec", text(16), nullable=False, comment="how `data` holds the content: see chatreel.store.payloads"),
    Column("data", LargeBinary, nullable=False),
    Column("base", _DIGEST, comment="digest of the payload that `data` is a difference to; NULL if it stands alone"),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("cassette", text(), nullable=False, comment="namespace; empty for the working store"),
    Column("key", text(80), nullable=False),
    Column("upstream", text(), nullable=False, comment="origin of the API that answered"),
    Column("path", text(), nullable=False),
    Column("query", text(), nullable=False, comment="without credentials"),
    Column("tenant", text(64), comment="keyed hash of the credentials; NULL if the scope was shared"),
    Column("model", text(), nullable=False),
    Column("recorded_at", Double, nullable=False, comment="seconds since the epoch"),
    Column("status", Integer, nullable=False),
    Column("headers", text(), nullable=False, comment="JSON: kept response headers as [name, value] pairs"),
    Column("form", text(8), nullable=False, comment="wire form: json or sse"),
    Column("usage_added", Boolean, nullable=False, comment="usage was asked for by chatreel, not by the client"),
    Column("document", _DIGEST, nullable=False),
    Column("request", _DIGEST, nullable=False),
    Column("body", _DIGEST, nullable=False),
    Column("completion", _DIGEST, nullable=False),
    Column("pieces", LargeBinary, nullable=False, comment="arrival of the body: see chatreel.store.payloads"),
    Column(
        "asked_usage",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="the stream reports usage at its end because client or chatreel asked",
    ),
    *_lead_to_payloads("document", "request", "body", "completion"),
    Index("recordings_by_key", "cassette", "key", "id"),
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
    Column("call_id", text(36), nullable=False, unique=True),
    Column("started_at", Double, nullable=False, comment="seconds since the epoch"),
    Column("outcome", text(16), nullable=False),
    Column(
        "reason", text(), nullable=False, comment="why it was not stored, refused or failed; empty if all went well"
    ),
    Column("mode", text(16), nullable=False),
    Column("cassette", text(), nullable=False),
    Column("upstream", text(), nullable=False),
    Column("path", text(), nullable=False),
    Column("query", text(), nullable=False, comment="without credentials"),
    Column("tenant", text(64), comment="keyed hash of the credentials; NULL if the scope was shared"),
    Column("model", text(), nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("status", Integer, comment="what the client got; NULL if it got no response"),
    Column("key", text(80)),
    Column("recording_id", _Id, comment="served or made by this call"),
    Column("latency", Double, nullable=False, comment="seconds, request read to response complete"),
    Column(
        "first_piece", Double, comment="seconds to the first piece of the body from upstream; NULL if not forwarded"
    ),
    Column("request", _DIGEST, comment="body of a refused call"),
    Column(
        "session", text(), nullable=False, server_default="", comment="id of the session; empty for the default one"
    ),
    Column("take", Integer, comment="number of the take that was served, from 1; NULL if none was"),
    *_lead_to_payloads("request"),
    Index("calls_by_time", "started_at"),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("cassette", text(), primary_key=True),
    Column("key", text(80), primary_key=True),
    Column("owner", text(64), nullable=False, comment="the proxy that fetches a recording of this key"),
    Column("expires_at", Double, nullable=False, comment="seconds since the epoch, by the clock of the database"),
    sqlite_with_rowid=False,
)
