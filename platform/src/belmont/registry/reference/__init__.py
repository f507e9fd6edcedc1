"""The reference model: the rules of each contract once more, in plain Python, one module for each contract."""
