"""What a query says: language, names, measures, attributes, other words for it."""
