"""A researcher's own code: a template, the folder it becomes, what a node would say of it, and what a board reads."""
