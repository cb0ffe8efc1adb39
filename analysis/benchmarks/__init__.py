"""How fast things are: prints, asserts nothing."""
