"""Side by side against the peer, in one run: `python -m benchmarks [NAME ...]`."""
