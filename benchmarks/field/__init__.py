"""What `bench_field.py` is made of: how each peer is set up, and what runs in the environments of some."""
