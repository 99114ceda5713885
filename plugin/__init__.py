"""The engine: OpenSearch plugin, embedded node, index, pipelines and search. Imports `rerank` only."""
