"""The wire: response bytes of the Chat Completions API to one completion object, and back. Pure functions of bytes."""
