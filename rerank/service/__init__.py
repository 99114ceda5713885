"""The model service: `rerank serve`, JSON over HTTP/1.1."""
