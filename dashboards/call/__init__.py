"""One call, opened.

reading       the call, its recording and what it is compared with, from the store, which is only read
conversation  a request and its answer as turns of a conversation
playback      a recorded stream as it came: what had been said by when
detail        all of it on a page
"""
