"""A light client: verifies votes, uses, consents and values of the contracts' storage from headers and proofs alone.

Nothing here runs a contract or asks anybody while it verifies. docs/light_client.md says what is trusted.
"""
