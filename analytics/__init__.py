"""The log of calls as a DuckDB file and as Parquet, and the questions that are asked of it.

    columns   what is in the view `calls`: names, types, units, meanings; the one table that everything follows from
    rows      rows of the store -> Arrow, with exact types
    workfile  the file that is added to: batches, and how far the log has been read
    export    store -> workfile -> the published file, incrementally, all of it or nothing
    parquet   workfile -> partitions by day
    filters   which calls: dates, models, upstreams, tags, outcomes
    queries   one typed function for each question; the only reader of the published file

Nobody but `export` opens the workfile, and nobody ever writes to the published one: it is replaced as a whole.
"""
