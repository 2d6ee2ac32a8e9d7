"""Each writes a network in one file format."""
