"""`chatreel doctor`: what is wrong with a set-up, and how to mend it. It looks and changes nothing.

findings      what a check says
environment   what clients are told: pure, given the environment
machine       versions, ports, certificates, the store, the clock
checkup       all of them, one after the other
"""

from chatreel.doctor.checkup import examine
from chatreel.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]
