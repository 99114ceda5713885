"""Translation without a neural model: a shop's glossary, open dictionaries, Apertium, and the catalogue's own words."""
