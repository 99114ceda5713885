"""The documents: feeds, cleaning, enrichment and bulk indexing. Imports `plugin` and `rerank`."""
