"""chatreel: a record/replay caching proxy for the Chat Completions API (`POST /v1/chat/completions`).

A call, a recording, a key, a take, a session, an outcome: `chatreel.model` and `chatreel.session` define the words.

The pure core is told what happened and answers what to do; it knows no clock, socket, database or proxy engine.

    canonical     request body -> canonical document -> cache key: which requests are the same call
    wire          response bytes -> one completion, and back; what is complete enough to be stored
    decide        mode x directives x what was found -> replay, record, forward or refuse: one table
    upstreams     client path -> URL of a configured API
    http_caching  Cache-Control, Cache-Status, Age
    redact        what may be stored
    request       a request body, read, checked and identified
    explain       why a request was a miss (with textdiff)
    sketch        marks by which a document is found among many like it
    suggest       which rules would have made a miss a hit
    replay        a recording -> an answer in the wire form that was asked for
    session       which take comes next; what it all came to
    tokens        usage in all its spellings -> how many tokens of which kind
    rates, money, budget
                  what a call costs by rates of one's own; totals; a limit on them

The edges do it, each with one library.

    config        settings (pydantic-settings)
    prices        what a call costs (genai-prices)
    store         recordings and the log (SQLAlchemy)
    recorder      the life of a call: the core, the store and the clock together
    engine        the hooks, the stream layer, the master (mitmproxy)
    server        a proxy from opened store to last row written
    run, demo     a proxy around a command; a tour
    lookup, advice, rekey
                  explain, suggest and rekey: what a store and its log have to say, and keys made anew
    cli, talk     parse and report (typer, rich)
    alarm         warnings that come once a minute, not once a call

Imports run one way, from the bottom of this page to its top; `lint-imports` holds that.
"""

__version__ = "0.1.0"
