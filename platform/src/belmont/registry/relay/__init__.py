"""Messages that were signed with no network, on a chain and in memory."""
