"""The contract between the model, the bucket and everyone who reads from it."""

from model.artifacts.fingerprint import fingerprint, input_digest
from model.artifacts.keys import KeyFields, KeyTemplate
from model.artifacts.manifest import Artifact, Failure, Manifest, ModelInfo, Timings
from model.artifacts.metadata import RequestMetadata
from model.artifacts.outputs import Outputs
from model.artifacts.stores import ObjectStore, open_store

__all__ = [
    "Artifact",
    "Failure",
    "KeyFields",
    "KeyTemplate",
    "Manifest",
    "ModelInfo",
    "ObjectStore",
    "Outputs",
    "RequestMetadata",
    "Timings",
    "fingerprint",
    "input_digest",
    "open_store",
]
