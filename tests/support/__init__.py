"""What the tests share: servers to talk to, programs to start, recordings to read. It is not part of chatreel."""
