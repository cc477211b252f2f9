"""From one revision of the schema to the next, by Alembic: loaded only when a store has to be upgraded."""
