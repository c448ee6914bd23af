"""The service: REST in front of a trained sequence-to-sequence model."""

import os

# ONNX Runtime's wheels start sending usage data when they are imported, unless this is set before.
# Every module of ours that could import it is imported after this package.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
