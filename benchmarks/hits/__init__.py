"""What `bench_hits.py` is made of: calls made up, a load generator, the servers that chatreel is measured beside."""
