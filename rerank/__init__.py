"""Text models: bundles, training, export, quantization and the model service. Imports neither `plugin` nor `ingest`."""
