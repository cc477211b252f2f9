"""The revisions, each a frozen piece of history: what they say of the schema of their day never changes."""
