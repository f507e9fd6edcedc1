"""The Vyper sources of the contracts and the modules they share; `belmont.chain.compiler` compiles them at first use."""
