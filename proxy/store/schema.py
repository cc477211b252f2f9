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

metadata = MetaData()

_Id = BigInteger().with_variant(Integer, "sqlite")


def _lead_to_payloads(*columns: str) -> list[Constraint]:
    """Columns that hold ids of payloads. Whoever writes or deletes keeps that promise: `chatreel.store.payloads`.

    No engine enforces it, since every payload that is deleted would cost a search of all recordings. SQLite keeps the
    declarations all the same: `PRAGMA foreign_key_check` finds what is amiss.
    """
    return [ForeignKeyConstraint([name], ["payloads.id"]).ddl_if(dialect="sqlite") for name in columns]


version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), primary_key=True),
    sqlite_with_rowid=False,
)

KEYED_BY = "keyed_by"
"""Name of the rows of `meta` that say how keys were made: one row for each way that is in use."""

REPRICED = "repriced"
"""Name of the row of `meta` that counts how often prices in the log were made anew."""

meta = Table(
    "meta",
    metadata,
    Column("name", text(32), primary_key=True),
    Column("value", text(), primary_key=True),
    sqlite_with_rowid=False,
)

payloads = Table(
    "payloads",
    metadata,
    Column("id", _Id, primary_key=True, comment="what others know it by: a digest would be ten times as long"),
    Column("digest", LargeBinary(32), nullable=False, unique=True, comment="SHA-256 of the content"),
    Column("size", BigInteger, nullable=False, comment="bytes of the content"),
    Column("codec", text(16), nullable=False, comment="how `data` holds the content: see chatreel.store.payloads"),
    Column("data", LargeBinary, nullable=False),
    Column("base", _Id, comment="id of the payload that `data` is a difference to; NULL if it stands alone"),
    # Who needs a payload that is about to go.
    Index("payloads_by_base", "base"),
    sqlite_autoincrement=True,
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
    Column("headers", LargeBinary, nullable=False, comment="kept response headers: see chatreel.store.usual"),
    Column("form", text(8), nullable=False, comment="wire form: json or sse"),
    Column("usage_added", Boolean, nullable=False, comment="usage was asked for by chatreel, not by the client"),
    Column("document", _Id, nullable=False),
    Column("request", _Id, nullable=False),
    Column("body", _Id, nullable=False),
    Column("completion", _Id, nullable=False),
    Column("pieces", LargeBinary, nullable=False, comment="arrival of the body: see chatreel.store.arrivals"),
    Column(
        "asked_usage",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="the stream reports usage at its end because client or chatreel asked",
    ),
    *_lead_to_payloads("document", "request", "body", "completion"),
    Index("recordings_by_key", "cassette", "key", "id"),
    Index("recordings_by_time", "recorded_at", "id"),  # the newest first, or those of a span of time
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
    Column("request", _Id, comment="body of a refused call"),
    Column(
        "session", text(), nullable=False, server_default="", comment="id of the session; empty for the default one"
    ),
    Column("take", Integer, comment="number of the take that was served, from 1; NULL if none was"),
    Column("upstream_time", Double, comment="seconds from the request going upstream to the last byte of its answer"),
    Column("spared", Double, comment="seconds that the upstream took when what was served was recorded"),
    Column("session_name", text(), comment="of the test or the run"),
    Column("tags", text(), comment="JSON object of texts, names in order; NULL if there are none"),
    Column("miss_reason", text(16), comment="why no recording answered: see chatreel.annotate"),
    Column("prompt", text(16), comment="digest of the messages alone: the same prompt, whatever the parameters"),
    # What the answer says; that of the recording if one was served. See chatreel.facts.
    Column("model_served", text(), comment="the model as the answer names it"),
    Column("finish_reason", text()),
    Column("error_type", text()),
    Column("chunks", Integer, comment="events of the stream with anything of the message in them"),
    Column("first_content", Double, comment="seconds from the request going upstream to the first of them"),
    Column("last_content", Double, comment="and to the last"),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("cached_tokens", Integer, comment="of the prompt: read from the server's own cache"),
    Column("cache_write_tokens", Integer, comment="of the prompt: written to that cache"),
    Column("reasoning_tokens", Integer, comment="of the completion"),
    Column("audio_prompt_tokens", Integer),
    Column("audio_completion_tokens", Integer),
    Column("service_tier", text()),
    Column("usage", LargeBinary, comment="JSON, as reported: see chatreel.store.usual"),
    # Money: billionths of a USD. NULL is not known, which is not 0. See chatreel.annotate.
    Column("cost", BigInteger, comment="paid upstream for this call"),
    Column("saved", BigInteger, comment="what would have been paid for what was served from a recording"),
    Column("reported_cost", BigInteger, comment="as the server itself says"),
    Column("price_source", text()),
    Column("price_version", text()),
    Column("price_model", text(), comment="the entry of the price list that was used"),
    Column("unpriced", text(), comment="why an answer has no price"),
    *_lead_to_payloads("request"),
    # When each recording was last of use, and how often, from the index alone.
    Index("calls_by_recording", "recording_id", "started_at", "outcome"),
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
