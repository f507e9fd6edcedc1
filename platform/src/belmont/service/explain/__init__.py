"""The registry's records in plain language: what is asked for, what is used, what left, what to look at.

Pure functions give ``Sentence`` values, which ``belmont.service.words`` says in a language; none of them reads a
chain, a file or a clock (docs/adr/0077).
"""

from belmont.service.explain.naming import Names
from belmont.service.words import Sentence, Thing, Value, counted

__all__ = ["Names", "Sentence", "Thing", "Value", "counted"]
