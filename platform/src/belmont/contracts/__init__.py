"""The Vyper sources of the five contracts; `belmont.chain.compiler` compiles them at first use."""
