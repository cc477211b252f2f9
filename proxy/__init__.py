"""chatreel: a record/replay caching proxy for the Chat Completions API (`POST /v1/chat/completions`).

A call, a recording, a key, a take, an outcome, a session: `chatreel.model` and `chatreel.session` define the words.

The pure core is told what happened and answers what to do; it knows no clock, socket, database or proxy engine.

    canonical     request body -> canonical document -> cache key: which requests are the same call
    wire          response bytes -> one completion, and back; what is complete enough to be stored
    decide        mode x directives x what was found -> replay, record, forward or refuse: one table
    upstreams     client path -> URL of a configured API
    providers, interception
                  hosts where models are served; what a program is told to come through the forward proxy
    clients       the environment in which programs find a proxy
    access, destinations
                  who may use an open proxy; where a forward proxy does not go
    http_caching  Cache-Control, Cache-Status, Age
    redact, scrubbing
                  what may be stored: headers and texts; an answer without the secrets in it
    secret_patterns, secret_shapes
                  keys and passwords found in texts; what they look like
    request       a request body, read, checked and identified, and what is kept of it
    reply, api_errors
                  what chatreel answers by itself
    explain       why a request was a miss (with textdiff)
    sketch        marks by which a document is found among many like it
    eviction      which recordings go to hold a store to a size
    checking, comparison, figures
                  is a recording what it says; two side by side; what calls came to
    portrait, timeline, plaintext
                  a recording as a person reads it, safe on a terminal
    selection, spans, durations, sizes
                  which recordings somebody means; points and spans of time as people write them
    suggest       which rules would have made a miss a hit
    replay, pace  a recording -> an answer in the wire form that was asked for, part by part
    repeats       which take comes next
    journal       what a session remembers of its calls; tally: in numbers
    formats       recordings as text: our cassettes, and what other tools write
    lint, findings
                  what is wrong with cassettes
    cassette_names
                  the cassette of a test
    tokens        usage in all its spellings -> how many tokens of which kind
    facts, tags   what an answer says of itself, for the log; labels that clients put on calls
    rates, money, budget
                  what a call costs by rates of one's own; totals; a limit on them
    model, errors, exit_codes
                  the values, and what can go wrong; exact: bytes that are kept

The edges do it, each with one library.

    config        settings
    prices        what a call costs (genai-prices)
    annotate      rows of the log, completed
    store         recordings and the log (SQLAlchemy)
    recordings    what a session looks its calls up in: the store, or a cassette_file
    session       one test's view: mode, recordings, turns, tally; flights: its identical calls share one answer
    sessions      the sessions of a proxy, opened and closed
    exchange      one call on its way
    spending      what the log knows of budgets
    recovery      rows of the log that killed proxies have left behind
    housekeeping  what a running proxy does for its store on the side
    recorder      the life of a call: the core, the store and the clock together
    control       the API by which test runners open sessions and read verdicts
    engine        the hooks, the stream layer, the fast path and the way upstream in front of them (mitmproxy)
    server        a proxy from opened store to last row written
    workers       several of them on one port
    run, demo     a proxy around a command; a tour
    trust         the certificates that an intercepted command trusts (certifi)
    parent        notices that the process it was started for has ended
    descriptors, allocation
                  how many files and sockets may be open; memory that is free goes back
    event_loop    what a proxy runs on (uvloop)
    generations   a memory of bounded size
    importing, packing, linting
                  recordings in from files of other tools and out to them; cassettes judged
    atomic        files that are there as a whole or not at all
    lookup, advice, rekey, repricing
                  explain, suggest, rekey and reprice: what a store and its log say, keys and prices made anew
    keeping       ls, show, diff, rm, prune, verify, stats: looking after a store
    doctor        what is wrong with a set-up
    cli, talk     parse and report (typer, rich)
    alarm         warnings that come once a minute, not once a call
    pytest_plugin, testing
                  a session for each test, misses that fail it, a verdict (pytest, and nothing else)
    analytics     the log in DuckDB and Parquet, and what is asked of it
    dashboards    pages on that, in a browser (streamlit)

Imports run one way, from the bottom of this page to its top; `lint-imports` holds that.
"""

__version__ = "0.1.0"
