"""How the shipped cross-encoder is made: data, stages, cross-validation."""
