"""The tour behind `chatreel demo`: a model server of its own and a dozen calls to it. No key, no network."""
