"""A new index beside the old one, a gate before it, and one atomic change of the alias there and back."""
