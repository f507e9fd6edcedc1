"""What the members can change about the consortium, on a chain and in memory."""
