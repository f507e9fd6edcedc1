"""Zero-knowledge proofs that a dataset is valid, and that totals over it are true. The protocol: docs/protocol.md."""
