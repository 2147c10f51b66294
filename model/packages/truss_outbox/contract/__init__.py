"""The contract between the model, the bucket and everyone who reads from it."""

from .fingerprint import canonical_json, fingerprint, input_digest
from .keys import KeyFields, KeyTemplate
from .manifest import Artifact, Failure, Manifest, ModelInfo, Outputs, Timings
from .metadata import RequestMetadata

__all__ = [
    "Artifact",
    "Failure",
    "KeyFields",
    "KeyTemplate",
    "Manifest",
    "ModelInfo",
    "Outputs",
    "RequestMetadata",
    "Timings",
    "canonical_json",
    "fingerprint",
    "input_digest",
]
