"""Who speaks for an account, on a chain and in memory."""
