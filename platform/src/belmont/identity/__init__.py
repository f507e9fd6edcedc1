"""Who a member is: its Ethereum account, its mask key, and the DID that names both."""
