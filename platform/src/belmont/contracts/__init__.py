"""The Vyper sources of the contracts and of the modules they share; `belmont.chain.compiler` compiles them at first use."""
