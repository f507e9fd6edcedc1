"""Pages for ethics boards and regulators: rendered here, readable without JavaScript."""
