"""Training data: build, split, mine, augment, teach, each a step from files to files."""
