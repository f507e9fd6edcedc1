"""Bounded updates: commitments to a hospital's update that add up, with a proof of its bounds. docs/bounded_updates.md."""
