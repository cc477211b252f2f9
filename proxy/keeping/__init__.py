"""Looking after a store: what the commands `ls`, `show`, `diff`, `rm`, `prune`, `verify` and `stats` do.

    choosing    which recordings: what was typed -> conditions
    listing     ls          showing    show         comparing   diff
    removing    rm, prune   verifying  verify       counting    stats
    units       sizes, spans and moments as they are printed

Each takes settings and what was typed, and returns, or yields, the lines to print. None but `removing`
changes anything.
"""
