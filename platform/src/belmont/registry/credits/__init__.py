"""Who contributed how much, on a chain and in memory."""
