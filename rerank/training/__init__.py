"""Training of cross-encoders and bi-encoders, by recipes. Needs the `train` extra."""
