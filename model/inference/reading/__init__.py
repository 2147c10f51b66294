"""From pixels to words, lines and their order."""

import os

# From 1.29 on, onnxruntime reports each model that it loads to its maker. This must be there before
# it is imported; who wants it sends 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
