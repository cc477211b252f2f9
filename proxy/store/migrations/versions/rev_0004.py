"""Payloads are known by numbers, JSON that repeats itself is bytes, two indexes go that cost more than they gave."""

# ruff: noqa: S608 - the statements are made of names that stand here

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MADE_OF = ("document", "request", "body", "completion")
_NOWHERE = 0
"""The number of no payload: what had been lost before is lost still, and whoever reads it is told."""


def upgrade() -> None:
    """Number the payloads in the order in which they were stored, and have all that named digests name numbers."""
    op.drop_index("calls_by_time", "calls")
    op.drop_index("calls_by_kind", "calls")
    op.drop_index("calls_by_recording", "calls")
    if op.get_bind().dialect.name == "sqlite":
        _anew_on_sqlite()
    else:
        _in_place()
    op.create_index("calls_by_recording", "calls", ["recording_id", "started_at", "outcome"])


def _anew_on_sqlite() -> None:
    """There, a column that others refer to has to be part of a new table."""
    op.create_table(
        "payloads_new",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("codec", sa.String(16), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("base", _NUMBER),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO payloads_new (id, digest, size, codec, data, base)"
        f" SELECT rowid, digest, size, codec, data, {_number_of('payloads', 'base', 'rowid', 'payloads')}"
        " FROM payloads ORDER BY rowid"
    )
    _anew("recordings", _MADE_OF, "headers")
    _anew("calls", ("request",), "usage", unique="call_id")
    op.drop_table("payloads")
    op.rename_table("payloads_new", "payloads")
    op.create_index("payloads_by_base", "payloads", ["base"])
    op.create_index("recordings_by_key", "recordings", ["cassette", "key", "id"])
    op.create_index("recordings_by_time", "recordings", ["recorded_at", "id"])
    pair = (sa.Column("name", sa.String(32), primary_key=True), sa.Column("value", sa.Text, primary_key=True))
    _without_rowid("meta", *pair)
    _without_rowid("alembic_version", sa.Column("version_num", sa.String(32), primary_key=True))


def _anew(name: str, numbers: tuple[str, ...], json: str, unique: str = "") -> None:
    """The same table with numbers of payloads in some of its columns, and bytes in the one of JSON.

    No id that it ever gave is given again.
    """
    connection = op.get_bind()
    columns = sa.Table(name, sa.MetaData(), autoload_with=connection).columns
    op.create_table(
        f"{name}_new",
        *(
            sa.Column(
                column.name,
                _NUMBER if column.name in numbers else sa.LargeBinary() if column.name == json else column.type,
                primary_key=column.primary_key,
                nullable=column.nullable,
                unique=column.name == unique or None,
                server_default=getattr(column.server_default, "arg", None),
            )
            for column in columns
        ),
        *(sa.ForeignKeyConstraint([one], ["payloads.id"]) for one in numbers),
        sqlite_autoincrement=True,
    )
    quoted = {column.name: f'"{column.name}"' for column in columns}
    values = quoted | {one: _number_of(name, one, "id", "payloads_new") for one in numbers}
    values[json] = f"CAST({json} AS BLOB)"
    names = ", ".join(quoted.values())
    op.execute(f"INSERT INTO {name}_new ({names}) SELECT {', '.join(values.values())} FROM {name} ORDER BY id")
    last = connection.execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": name}).scalar()
    op.drop_table(name)
    op.rename_table(f"{name}_new", name)
    connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name})
    if last is not None:
        connection.execute(
            sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), {"name": name, "last": last}
        )


def _without_rowid(name: str, *columns: sa.Column[str]) -> None:
    op.create_table(f"{name}_new", *columns, sqlite_with_rowid=False)
    op.execute(f"INSERT INTO {name}_new SELECT * FROM {name}")
    op.drop_table(name)
    op.rename_table(f"{name}_new", name)


def _in_place() -> None:
    op.execute("ALTER TABLE payloads ADD COLUMN id BIGSERIAL")
    op.alter_column("payloads", "id", comment="what others know it by: a digest would be ten times as long")
    _renumber("payloads", "base", "id of the payload that `data` is a difference to; NULL if it stands alone")
    op.execute("ALTER TABLE payloads DROP CONSTRAINT payloads_pkey, ADD PRIMARY KEY (id), ADD UNIQUE (digest)")
    op.create_index("payloads_by_base", "payloads", ["base"])
    for column in _MADE_OF:
        _renumber("recordings", column)
        op.alter_column("recordings", column, nullable=False)
    _renumber("calls", "request", "body of a refused call")
    _as_bytes("recordings", "headers", "kept response headers: see chatreel.store.usual")
    _as_bytes("calls", "usage", "JSON, as reported: see chatreel.store.usual")
    comment = "arrival of the body: see chatreel.store.arrivals"
    op.alter_column("recordings", "pieces", comment=comment, existing_type=sa.LargeBinary())


def _as_bytes(table: str, column: str, comment: str) -> None:
    """There, the text had its backslashes doubled: see `chatreel.store.text`. JSON has no NUL."""
    as_it_is = f"convert_to(replace({column}, '\\\\', '\\'), 'UTF8')"
    op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE BYTEA USING {as_it_is}")
    op.alter_column(table, column, comment=comment)


def _renumber(table: str, column: str, comment: str | None = None) -> None:
    op.add_column(table, sa.Column("number", sa.BigInteger, comment=comment))
    op.execute(f"UPDATE {table} SET number = {_number_of(table, column, 'id', 'payloads')}")
    op.drop_column(table, column)  # with the index that it has
    op.alter_column(table, "number", new_column_name=column)


def _number_of(table: str, column: str, number: str, payloads: str) -> str:
    """The number of the payload whose digest is in a column."""
    found = f"(SELECT p.{number} FROM {payloads} p WHERE p.digest = {table}.{column})"
    return f"CASE WHEN {table}.{column} IS NOT NULL THEN coalesce({found}, {_NOWHERE}) END"
