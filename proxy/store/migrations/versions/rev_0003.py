"""The log says what was answered, how long each part took, what it cost and why a miss was one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns. Rows that are there say nothing in them; `chatreel reprice` fills in what recordings still tell."""
    for column in _columns():
        op.add_column("calls", column)


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "upstream_time",
            sa.Double(),
            comment="seconds from the request going upstream to the last byte of its answer",
        ),
        sa.Column("spared", sa.Double(), comment="seconds that the upstream took when what was served was recorded"),
        sa.Column("session_name", sa.Text(), comment="of the test or the run"),
        sa.Column("tags", sa.Text(), comment="JSON object of texts, names in order; NULL if there are none"),
        sa.Column("miss_reason", sa.String(16), comment="why no recording answered: see chatreel.annotate"),
        sa.Column(
            "prompt", sa.String(16), comment="digest of the messages alone: the same prompt, whatever the parameters"
        ),
        sa.Column("model_served", sa.Text(), comment="the model as the answer names it"),
        sa.Column("finish_reason", sa.Text()),
        sa.Column("error_type", sa.Text()),
        sa.Column("chunks", sa.Integer(), comment="events of the stream with anything of the message in them"),
        sa.Column("first_content", sa.Double(), comment="seconds from the request going upstream to the first of them"),
        sa.Column("last_content", sa.Double(), comment="and to the last"),
        sa.Column("prompt_tokens", sa.Integer()),
        sa.Column("completion_tokens", sa.Integer()),
        sa.Column("cached_tokens", sa.Integer(), comment="of the prompt: read from the server's own cache"),
        sa.Column("cache_write_tokens", sa.Integer(), comment="of the prompt: written to that cache"),
        sa.Column("reasoning_tokens", sa.Integer(), comment="of the completion"),
        sa.Column("audio_prompt_tokens", sa.Integer()),
        sa.Column("audio_completion_tokens", sa.Integer()),
        sa.Column("service_tier", sa.Text()),
        sa.Column("usage", sa.Text(), comment="JSON, as reported"),
        sa.Column("cost", sa.BigInteger(), comment="paid upstream for this call"),
        sa.Column("saved", sa.BigInteger(), comment="what would have been paid for what was served from a recording"),
        sa.Column("reported_cost", sa.BigInteger(), comment="as the server itself says"),
        sa.Column("price_source", sa.Text()),
        sa.Column("price_version", sa.Text()),
        sa.Column("price_model", sa.Text(), comment="the entry of the price list that was used"),
        sa.Column("unpriced", sa.Text(), comment="why an answer has no price"),
    ]
