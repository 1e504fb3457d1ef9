"""Benchmarks: one file per question; each prints its figure beside the peer or the limit, measured in the same run."""
