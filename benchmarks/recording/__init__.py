"""What `bench_recording.py` is made of: an upstream, a bare proxy that only forwards, a client that keeps the time."""
