"""Bounded updates: commitments that add up, with proofs of bounds. The protocol: docs/bounded_updates.md."""
