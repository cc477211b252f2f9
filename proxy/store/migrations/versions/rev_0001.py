"""The first schema: recordings, payloads by digest, marks, the log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables as the first version of chatreel made them."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    digest = sa.LargeBinary(32)
    on_sqlite = op.get_bind().dialect.name == "sqlite"

    def payload_keys(*columns: str) -> list[sa.ForeignKeyConstraint]:
        return [sa.ForeignKeyConstraint([name], ["payloads.digest"]) for name in columns if on_sqlite]

    op.create_table(
        "meta",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
    )
    op.create_table(
        "payloads",
        sa.Column("digest", digest, primary_key=True, comment="SHA-256 of the content"),
        sa.Column("size", sa.BigInteger, nullable=False, comment="bytes of the content"),
        sa.Column(
            "codec", sa.String(16), nullable=False, comment="how `data` holds the content: see chatreel.store.payloads"
        ),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "recordings",
        sa.Column("id", number, primary_key=True),
        sa.Column("cassette", sa.Text, nullable=False, comment="namespace; empty for the working store"),
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("upstream", sa.Text, nullable=False, comment="origin of the API that answered"),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False, comment="without credentials"),
        sa.Column("tenant", sa.String(64), comment="keyed hash of the credentials; NULL if the scope was shared"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.Double, nullable=False, comment="seconds since the epoch"),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.Text, nullable=False, comment="JSON: kept response headers as [name, value] pairs"),
        sa.Column("form", sa.String(8), nullable=False, comment="wire form: json or sse"),
        sa.Column(
            "usage_added", sa.Boolean, nullable=False, comment="usage was asked for by chatreel, not by the client"
        ),
        sa.Column("document", digest, nullable=False),
        sa.Column("request", digest, nullable=False),
        sa.Column("body", digest, nullable=False),
        sa.Column("completion", digest, nullable=False),
        sa.Column("pieces", sa.LargeBinary, nullable=False, comment="arrival of the body: see chatreel.store.payloads"),
        *payload_keys("document", "request", "body", "completion"),
        sqlite_autoincrement=True,
    )
    op.create_index("recordings_by_key", "recordings", ["cassette", "key", "id"])
    op.create_index("recordings_by_route", "recordings", ["cassette", "upstream", "path", "tenant", "id"])
    op.create_table(
        "marks",
        sa.Column("mark", sa.BigInteger, primary_key=True, comment="of the canonical document: see chatreel.sketch"),
        sa.Column("recording_id", number, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "calls",
        sa.Column("id", number, primary_key=True),
        sa.Column("call_id", sa.String(36), nullable=False, unique=True),
        sa.Column("started_at", sa.Double, nullable=False, comment="seconds since the epoch"),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column(
            "reason",
            sa.Text,
            nullable=False,
            comment="why it was not stored, refused or failed; empty if all went well",
        ),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("cassette", sa.Text, nullable=False),
        sa.Column("upstream", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False, comment="without credentials"),
        sa.Column("tenant", sa.String(64), comment="keyed hash of the credentials; NULL if the scope was shared"),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer, comment="what the client got; NULL if it got no response"),
        sa.Column("key", sa.String(80)),
        sa.Column("recording_id", number, comment="served or made by this call"),
        sa.Column("latency", sa.Double, nullable=False, comment="seconds, request read to response complete"),
        sa.Column(
            "first_piece",
            sa.Double,
            comment="seconds to the first piece of the body from upstream; NULL if not forwarded",
        ),
        sa.Column("request", digest, comment="body of a refused call"),
        *payload_keys("request"),
        sqlite_autoincrement=True,
    )
    op.create_index("calls_by_time", "calls", ["started_at"])
