"""Payloads as differences to others, hits without their requests, sessions and takes in the log, leases."""

from contextlib import suppress
from typing import Any

import orjson
import sqlalchemy as sa
import zstandard
from alembic import op

revision = "0002"
down_revision = "0001"

_ASKING = sa.text(
    "SELECT r.id, p.codec, p.data FROM recordings r JOIN payloads p ON p.digest = r.request"
    " WHERE r.form = 'sse' AND NOT r.usage_added AND r.id > :after ORDER BY r.id LIMIT 500"
)
_ADDED = sa.text("UPDATE recordings SET asked_usage = usage_added WHERE form = 'sse'")
_ASKED = sa.text("UPDATE recordings SET asked_usage = :yes WHERE id = :id")


def upgrade() -> None:
    """Add what is new and find out which recorded requests asked for usage. Nothing is read that is not needed."""
    op.add_column(
        "payloads",
        sa.Column(
            "base",
            sa.LargeBinary(32),
            comment="digest of the payload that `data` is a difference to; NULL if it stands alone",
        ),
    )
    op.add_column(
        "recordings",
        sa.Column(
            "asked_usage",
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
            comment="the stream reports usage at its end because client or chatreel asked",
        ),
    )
    op.add_column(
        "calls",
        sa.Column(
            "session",
            sa.Text,
            nullable=False,
            server_default="",
            comment="id of the session; empty for the default one",
        ),
    )
    op.add_column(
        "calls",
        sa.Column("take", sa.Integer, comment="number of the take that was served, from 1; NULL if none was"),
    )
    op.create_table(
        "leases",
        sa.Column("cassette", sa.Text, primary_key=True),
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False, comment="the proxy that fetches a recording of this key"),
        sa.Column(
            "expires_at", sa.Double, nullable=False, comment="seconds since the epoch, by the clock of the database"
        ),
        sqlite_with_rowid=False,
    )
    op.drop_index("recordings_by_route", "recordings")
    _create_indexes()
    _fill_asked_usage(op.get_bind())


def _create_indexes() -> None:
    """For those who look after a store: what each is for stands in `chatreel.store.schema`."""
    op.create_index("payloads_by_base", "payloads", ["base"])
    op.create_index("recordings_by_time", "recordings", ["recorded_at", "id"])
    op.create_index("calls_by_recording", "calls", ["recording_id", "started_at", "outcome", "latency"])
    op.create_index("calls_by_kind", "calls", ["outcome", "model", "upstream", "started_at", "latency"])


def _fill_asked_usage(connection: sa.Connection) -> None:
    connection.execute(_ADDED)
    after = 0
    while rows := connection.execute(_ASKING, {"after": after}).all():
        asked = [{"id": row.id, "yes": True} for row in rows if _asks(row.codec, bytes(row.data))]
        if asked:
            connection.execute(_ASKED, asked)
        after = rows[-1].id


def _asks(codec: str, data: bytes) -> bool:
    """Whether a request asks for usage; one that is damaged is left to whoever reads it."""
    with suppress(zstandard.ZstdError, ValueError, KeyError, TypeError):
        content = zstandard.decompress(data) if codec == "zstd" else data
        request: Any = orjson.loads(content) if b"include_usage" in content else {}
        return request["stream_options"]["include_usage"] is True
    return False
