"""Audit of a whole chain: every block executed again by the executable specification of Ethereum, another EVM.

`source` reads the database without writing to it, `specification` runs the specification's code, `documents` says what
the stored answers must be, `nodes` walks the stored states, `replay` compares, and `command` is `belmont chain audit`.
"""
