"""The same product from several sources becomes one document: find the records, merge their fields, say where from."""
