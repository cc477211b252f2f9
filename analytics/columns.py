"""The columns of the view `calls`: one table, which the schema, the export and the documentation follow."""

from dataclasses import dataclass
from typing import Final

LAYOUT: Final = 2
"""Of the tables below. A file of an older one is made anew."""

TABLE: Final = "call_log"
"""What is stored. People ask the view `calls`, which adds what follows from it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the view."""

    name: str
    type: str
    """Of DuckDB."""
    meaning: str
    source: str = ""
    """The column of the store it is stored from; empty if it follows from others."""
    how: str = ""
    """SQL: from the store's column, as `$`, or from the other columns of the table. Empty: as it is."""
    kept: bool = False
    """Whether it is stored though it follows from others: what texts are compared for takes a bit, and the comparing
    longer than adding up all that the calls cost."""


_MS: Final = "$ * 1000"
_NOT_EMPTY: Final = "nullif($, '')"
_UPSTREAM: Final = "outcome IN ('recorded', 'passed', 'failed')"
_ANSWERED_BY: Final = (
    "CASE WHEN outcome = 'hit' THEN 'recording' WHEN outcome = 'coalesced' THEN 'call' "
    "WHEN outcome IN ('recorded', 'passed') THEN 'upstream' END"
)

COLUMNS: Final = (
    Column("id", "BIGINT", "Number of the row; later calls have greater ones.", "id"),
    Column("call_id", "VARCHAR", "Id of the call, as `chatreel explain` takes it.", "call_id"),
    Column(
        "started_at",
        "TIMESTAMP",
        "When the request was read, UTC, to the microsecond.",
        "started_at",
        "make_timestamp(round($ * 1000000)::BIGINT)",
    ),
    Column("outcome", "VARCHAR", "`hit`, `recorded`, `coalesced`, `passed`, `refused` or `failed`.", "outcome"),
    Column("mode", "VARCHAR", "How the call was treated: `cache`, `replay`, `record`, `passthrough`.", "mode"),
    Column(
        "miss_reason",
        "VARCHAR",
        "Why no recording answered: `new`, `stale`, `expired`, `too-old`, `used-up`, `asked`, `bypassed`, `unkeyable`; "
        "NULL if one did.",
        "miss_reason",
    ),
    Column("reason", "VARCHAR", "Why it was not stored, refused or failed.", "reason", _NOT_EMPTY),
    Column("model", "VARCHAR", "The model asked for.", "model", _NOT_EMPTY),
    Column("model_served", "VARCHAR", "The model as the answer names it.", "model_served"),
    Column("upstream", "VARCHAR", "Origin of the API.", "upstream"),
    Column("path", "VARCHAR", "Path of the API.", "path"),
    Column("stream", "BOOLEAN", "Whether the client asked for a stream.", "stream", "$::BOOLEAN"),
    Column("status", "INTEGER", "HTTP status that the client got; NULL if it got none.", "status"),
    Column("error_type", "VARCHAR", "What the API, or chatreel, calls the error.", "error_type"),
    Column(
        "finish_reason", "VARCHAR", "Why the model stopped; several with commas if choices differ.", "finish_reason"
    ),
    Column("cache_key", "VARCHAR", "Key of the request; NULL if it has none.", "key"),
    Column("prompt_digest", "VARCHAR", "Of the messages alone: the same prompt, whatever the parameters.", "prompt"),
    Column("recording_id", "BIGINT", "The recording that was served or made, in the store.", "recording_id"),
    Column("take", "INTEGER", "Number of the take that was served, from 1.", "take"),
    Column("cassette", "VARCHAR", "The cassette; NULL for the working store.", "cassette", _NOT_EMPTY),
    Column("session", "VARCHAR", "Id of the session; NULL for the default one.", "session", _NOT_EMPTY),
    Column("session_name", "VARCHAR", "Name of the session: the test, or the run.", "session_name"),
    Column("tenant", "VARCHAR", "Keyed hash of the credentials, where recordings are not shared.", "tenant"),
    Column(
        "tags",
        "VARCHAR",
        'Tags as JSON, names in order: `{"team":"search"}`. The table `tags` has them one by one.',
        "tags",
    ),
    Column("latency_ms", "DOUBLE", "From the request read to the response complete.", "latency", _MS),
    Column(
        "upstream_ms",
        "DOUBLE",
        "Of it: from the request going upstream to the last byte of its answer.",
        "upstream_time",
        _MS,
    ),
    Column(
        "first_byte_ms",
        "DOUBLE",
        "From the request going upstream to the first byte of the answer's body.",
        "first_piece",
        _MS,
    ),
    Column(
        "ttft_ms",
        "DOUBLE",
        "Time to first token: from the request going upstream to the first event of the stream with anything of the "
        "answer in it; NULL for hits, and for what was no stream.",
        "first_content",
        _MS,
    ),
    Column("last_token_ms", "DOUBLE", "The same for the last such event.", "last_content", _MS),
    Column("spared_ms", "DOUBLE", "What the upstream took when what was served was recorded.", "spared", _MS),
    Column("chunks", "INTEGER", "Events of the stream with anything of the answer in them.", "chunks"),
    Column(
        "prompt_tokens",
        "INTEGER",
        "Of the answer, served or billed; so are the next. All of the prompt.",
        "prompt_tokens",
    ),
    Column("completion_tokens", "INTEGER", "All that the model wrote, reasoning included.", "completion_tokens"),
    Column("cached_tokens", "INTEGER", "Of the prompt: read from the server's own cache.", "cached_tokens"),
    Column("cache_write_tokens", "INTEGER", "Of the prompt: written to that cache.", "cache_write_tokens"),
    Column("reasoning_tokens", "INTEGER", "Of the completion.", "reasoning_tokens"),
    Column("audio_prompt_tokens", "INTEGER", "Of the prompt.", "audio_prompt_tokens"),
    Column("audio_completion_tokens", "INTEGER", "Of the completion.", "audio_completion_tokens"),
    Column("service_tier", "VARCHAR", "The tier that answered, if the server says.", "service_tier"),
    Column("usage", "VARCHAR", "Usage as the server reported it, JSON.", "usage"),
    Column(
        "cost_nusd",
        "BIGINT",
        "Paid upstream for this call, in billionths of a USD, exact; NULL: not known, never 0 for it.",
        "cost",
    ),
    Column("saved_nusd", "BIGINT", "What a call served from a recording would have cost; NULL: not known.", "saved"),
    Column("reported_cost_nusd", "BIGINT", "What the server itself says it charged for the answer.", "reported_cost"),
    Column("price_source", "VARCHAR", "Where the price is from: `genai-prices` or `override`.", "price_source"),
    Column("price_version", "VARCHAR", "Of that list, or a digest of the override.", "price_version"),
    Column("price_model", "VARCHAR", "The entry of the list that was used.", "price_model"),
    Column("unpriced", "VARCHAR", "Why an answer has no price; NULL if it has one or needs none.", "unpriced"),
    Column("cost_usd", "DOUBLE", "`cost_nusd` in USD.", how="cost_nusd / 1e9"),
    Column("saved_usd", "DOUBLE", "`saved_nusd` in USD.", how="saved_nusd / 1e9"),
    Column("reported_cost_usd", "DOUBLE", "`reported_cost_nusd` in USD.", how="reported_cost_nusd / 1e9"),
    Column(
        "served",
        "BOOLEAN",
        "Whether a recording answered: `hit` or `coalesced`.",
        how="outcome IN ('hit', 'coalesced')",
        kept=True,
    ),
    Column(
        "looked_up",
        "BOOLEAN",
        "Whether a recording could have answered: it was neither passed by, nor did it fail.",
        how="outcome NOT IN ('passed', 'failed')",
        kept=True,
    ),
    Column(
        "answered_by",
        "VARCHAR",
        "`recording` for a `hit`, `call` if it was `coalesced` with another one, `upstream` if it was `recorded` or "
        "`passed`; NULL if nobody did.",
        how=_ANSWERED_BY,
        kept=True,
    ),
    Column(
        "billed_prompt_tokens",
        "INTEGER",
        "`prompt_tokens` that an upstream counted for this call.",
        how=f"CASE WHEN {_UPSTREAM} THEN prompt_tokens END",
    ),
    Column(
        "billed_completion_tokens",
        "INTEGER",
        "`completion_tokens` that an upstream counted for this call.",
        how=f"CASE WHEN {_UPSTREAM} THEN completion_tokens END",
    ),
    Column(
        "overhead_ms",
        "DOUBLE",
        "What chatreel itself took: `latency_ms` less `upstream_ms`, all of it for a hit; NULL where somebody "
        "else was waited for.",
        how="CASE WHEN outcome IN ('hit', 'refused') THEN latency_ms "
        "WHEN outcome <> 'coalesced' THEN greatest(latency_ms - upstream_ms, 0) END",
    ),
    Column(
        "saved_ms",
        "DOUBLE",
        "What a hit was faster than the upstream had been.",
        how="CASE WHEN outcome = 'hit' THEN greatest(spared_ms - latency_ms, 0) END",
    ),
    Column(
        "tokens_per_second",
        "DOUBLE",
        "Of a stream from upstream with two or more `chunks`: tokens of the answer, reasoning apart, after the "
        "first of them, by the time they took.",
        how="CASE WHEN chunks >= 2 AND last_token_ms > ttft_ms THEN "
        "(completion_tokens - coalesce(reasoning_tokens, 0)) * (chunks - 1) / chunks / (last_token_ms - ttft_ms) "
        "* 1000 END",
    ),
)

READ: Final = tuple(column for column in COLUMNS if column.source)
"""Columns that the store has, the id first."""
STORED: Final = tuple(column for column in COLUMNS if column.source or column.kept)
"""Columns of the table."""

_STATE: Final = """
CREATE TABLE tags (tags VARCHAR NOT NULL, name VARCHAR NOT NULL, value VARCHAR NOT NULL);
CREATE TABLE _sync (layout INTEGER NOT NULL, last_id BIGINT NOT NULL, last_call VARCHAR, repriced BIGINT NOT NULL,
 synced_at TIMESTAMP, store VARCHAR);
"""


def schema() -> str:
    """SQL that makes the tables and the view, with what each column means."""
    stored = ", ".join(f"{column.name} {column.type}" for column in STORED)
    shown = ", ".join(
        column.name if column in STORED else f"({column.how})::{column.type} AS {column.name}" for column in COLUMNS
    )
    comments = "".join(
        f"COMMENT ON COLUMN {TABLE}.{column.name} IS '{column.meaning.replace("'", "''")}';\n" for column in STORED
    )
    table = f"CREATE TABLE {TABLE} ({stored});\n{comments}"
    return f"{table}{_STATE}CREATE VIEW calls AS SELECT {shown} FROM {TABLE};\n"  # noqa: S608 - names of our own


def insertion(batch: str) -> str:
    """SQL that adds rows of the store, as `rows` gives them, to the table."""
    values = ", ".join((column.how or "$").replace("$", column.source) for column in STORED)
    return f"INSERT INTO {TABLE} SELECT {values} FROM {batch}"  # noqa: S608 - names of our own
