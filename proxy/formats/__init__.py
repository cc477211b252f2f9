"""Recordings as text: our own cassettes, and what other tools write. Bytes in, values out, and back.

cassette        the format of chatreel: one file, made to be reviewed, merged and edited
entry_writing   a recording to an interaction of it, and the place of that
entry_reading   and back
answers         the response of an interaction, as members that give back its bytes
streams         a stream, an event to a line
editing         what an answer is after somebody changed it
intact          the quick way into a cassette that nobody changed
sealed          which interactions need not be read before they are needed
seals           digests that say whether somebody did
spelling        the ways servers write JSON
layout          JSON text that is good to read in a diff
strict          JSON text read strictly, its faults found by line
"""
