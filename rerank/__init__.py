"""Text models: bundles, training, export, quantization and the model service. Imports neither `plugin` nor `ingest`."""

import os

# ONNX Runtime's official builds collect events and send them to their maker unless told not to before they are loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
