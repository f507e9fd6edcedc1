"""Documents bound to hashes on chain: protocols, configurations, code, reasons, conditions, cards, evidence, rounds.

The chain holds hashes; somebody has to have the texts, so that a board reads what was applied with. This service keeps
them for its members. Nobody has to trust it with that: what it gives is compared with the chain.
"""
