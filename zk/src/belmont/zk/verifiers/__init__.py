"""Verifiers of one protocol: `native` for every day, `reference` to be read. The third is the contract `Proofs`."""
