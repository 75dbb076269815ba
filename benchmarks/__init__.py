"""Benchmarks: ratios of medians, ours over a peer or a physical limit, in the same run on the same machine."""
