"""chatreel: a record/replay caching proxy for the Chat Completions API (`POST /v1/chat/completions`).

A call, a recording, a key, a take, an outcome, a session: `chatreel.model` and `chatreel.session` define the words.

The pure core is told what happened and answers what to do; it knows no clock, socket, database or proxy engine.

    canonical     request body -> canonical document -> cache key: which requests are the same call
    wire          response bytes -> one completion, and back; what is complete enough to be stored
    decide        mode x directives x what was found -> replay, record, forward or refuse: one table
    upstreams     client path -> URL of a configured API
    providers     hosts where models are served
    clients       the environment in which programs find a proxy
    http_caching  Cache-Control, Cache-Status, Age
    redact        what may be stored
    request       a request body, read, checked and identified
    explain       why a request was a miss (with textdiff)
    sketch        marks by which a document is found among many like it
    eviction      which recordings go to hold a store to a size
    checking, comparison, figures
                  is a recording what it says; two side by side; what calls came to
    portrait, timeline, plaintext
                  a recording as a person reads it, safe on a terminal
    selection, spans
                  which recordings somebody means
    suggest       which rules would have made a miss a hit
    replay        a recording -> an answer in the wire form that was asked for
    repeats       which take comes next
    journal       what a session remembers of its calls; tally: in numbers
    formats       recordings as text: our cassettes, and what other tools write
    secret_patterns
                  keys and passwords by their shape
    lint, findings
                  what is wrong with cassettes
    cassette_names
                  the cassette of a test
    tokens        usage in all its spellings -> how many tokens of which kind
    rates, money, budget
                  what a call costs by rates of one's own; totals; a limit on them

The edges do it, each with one library.

    config        settings (pydantic-settings)
    prices        what a call costs (genai-prices)
    store         recordings and the log (SQLAlchemy)
    recordings    what a session looks its calls up in: the store, or a cassette_file
    session       one test's view: mode, recordings, turns, tally; flights: its identical calls share one answer
    sessions      the sessions of a proxy, opened and closed
    spending      what the log knows of budgets
    recovery      rows of the log that killed proxies have left behind
    housekeeping  what a running proxy does for its store on the side
    recorder      the life of a call: the core, the store and the clock together
    control       the API by which test runners open sessions and read verdicts
    engine        the hooks, the stream layer, the fast path in front of them, the master (mitmproxy)
    server        a proxy from opened store to last row written
    run, demo     a proxy around a command; a tour
    parent        notices that the process it was started for has ended
    importing, packing, linting
                  recordings in from files of other tools and out to them; cassettes judged
    atomic        files that are there as a whole or not at all
    lookup, advice, rekey
                  explain, suggest and rekey: what a store and its log have to say, and keys made anew
    keeping       ls, show, diff, rm, prune, verify, stats: looking after a store
    cli, talk     parse and report (typer, rich)
    alarm         warnings that come once a minute, not once a call
    pytest_plugin, testing
                  a session for each test, misses that fail it, a verdict (pytest, and nothing else)

Imports run one way, from the bottom of this page to its top; `lint-imports` holds that.
"""

__version__ = "0.1.0"
