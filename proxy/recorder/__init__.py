"""The life of a call between request and log row: what the addon is told goes in, what to do comes out.

recorder   the whole of it: open, finish or fail
opening    a request is read, looked up and decided on; identical ones share one flight
plain_hits the quick way for what hangs on a recording and nothing else
looking    which recording it is, and whether it will do
answering  recordings and refusals as answers
storing    an answer of the upstream is understood and stored
logbook    what became of a call, told to its session, the log and the terminal
"""

from chatreel.recorder.habits import Habits
from chatreel.recorder.recorder import Recorder

__all__ = ["Habits", "Recorder"]
