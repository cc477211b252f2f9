"""Run by Alembic, never imported: the transaction, and the lock in it, are those of whoever opens the store."""

from alembic import context

from chatreel.store.schema import metadata

# Alembic gives a column of SQLite a new default, type or nullability by making the table anew: `batch` mode.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
