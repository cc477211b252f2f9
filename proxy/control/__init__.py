"""The control API under `/_chatreel/`: plain JSON, so that any language's test runner can use it.

api       which request asks for what
wishes    the body that opens a session
verdicts  what a session came to, and its calls
guard     who may ask: no web page
"""

from chatreel.control.api import PREFIX, Asking, Control, session_path

__all__ = ["PREFIX", "Asking", "Control", "session_path"]
