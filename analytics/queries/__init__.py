"""One typed function for each question: a `LogFile` and a `Filter` in, frozen values out. Nothing else reads the file.

    money     what was spent and saved, on what, and what has no price
    budgets   how far budgets are spent, and when they will be
    overview  the headline, against the period before, and its course
    latency   how long calls took, hits and calls that went upstream apart
    caching   how often a recording answered, and why not
    calls     single calls, sessions, and what there is to filter by

Money is in USD, times are in milliseconds. `None`: it is not known, or there was nothing to measure; never 0 for it.
"""
