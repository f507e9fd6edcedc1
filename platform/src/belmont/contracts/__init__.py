"""The Vyper sources of the contracts and of their shared modules; `belmont.chain.compiler` compiles them."""
