"""The command line: one small module per verb, loaded when it is called; the only code that prints."""
