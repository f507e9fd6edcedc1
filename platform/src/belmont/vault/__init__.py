"""Encrypted, content-addressed storage of a hospital's datasets, with keys that can be destroyed."""
