"""What the service knows of the chain, in memory: one snapshot, renewed as events come, and those events' feed."""
