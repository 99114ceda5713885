"""Reduced forms of a bundle, and the proof that they keep its ranking."""
