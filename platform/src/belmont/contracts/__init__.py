"""The Vyper sources of the seven contracts and of the modules that they share; `belmont.chain.compiler` compiles them at first use."""
