"""The log says what was answered, how long each part took, what it cost and why a miss was one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SECONDS = ("upstream_time", "spared", "first_content", "last_content")
_COUNTS = (
    "chunks",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_prompt_tokens",
    "audio_completion_tokens",
)
_NANODOLLARS = ("cost", "saved", "reported_cost")
_TEXTS = (
    "session_name",
    "tags",
    "model_served",
    "finish_reason",
    "error_type",
    "service_tier",
    "usage",
    "price_source",
    "price_version",
    "price_model",
    "unpriced",
)
_SHORT = ("miss_reason", "prompt")


def upgrade() -> None:
    """Add columns. Rows that are there say nothing in them; `chatreel reprice` fills in what recordings still tell."""
    for names, kind in (
        (_SECONDS, sa.Double),
        (_COUNTS, sa.Integer),
        (_NANODOLLARS, sa.BigInteger),
        (_TEXTS, sa.Text),
        (_SHORT, sa.String),
    ):
        for name in names:
            op.add_column("calls", sa.Column(name, kind(16) if kind is sa.String else kind()))
