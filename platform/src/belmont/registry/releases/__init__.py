"""Models that leave the consortium, on a chain and in memory."""
