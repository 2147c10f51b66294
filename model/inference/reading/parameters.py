"""How rapidocr is set up: which weights it loads, and what it does with them."""

import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.stores.streams import chunks

from ..settings import InferenceSettings, Weights

_DETECTION = "PP-OCRv6_det_small.onnx"
_RECOGNITION = "PP-OCRv6_rec_small.onnx"


def rapidocr_parameters(settings: InferenceSettings, data_directory: Path) -> dict[str, Any]:
    """What RapidOCR is constructed with. Raises ConfigurationError: weights missing or changed."""
    return {
        "Global.log_level": "critical",
        "Global.use_cls": False,  # it turns good lines
        "Global.use_vertical_padding": False,  # it makes black margins
        "Global.return_word_box": True,
        # Files that are named are never downloaded.
        "Det.model_path": _weights(settings.detection, _DETECTION, data_directory),
        "Rec.model_path": _weights(settings.recognition, _RECOGNITION, data_directory),
        # What is to be found at which scale is chosen before.
        "Det.limit_side_len": 32,
        "Det.max_candidates": 10_000,
        "Rec.rec_batch_num": 1,
        "EngineConfig.onnxruntime.intra_op_num_threads": min(settings.threads, os.cpu_count() or 1),
        "EngineConfig.onnxruntime.use_cuda": settings.gpu,
        # Each line is of another length: to look for the best algorithm takes half a second a line.
        "EngineConfig.onnxruntime.cuda_ep_cfg.cudnn_conv_algo_search": "DEFAULT",
    }


def _weights(weights: Weights | None, default: str, data_directory: Path) -> str:
    if weights is None:
        path = Path(str(files("rapidocr") / "models" / default))
        if not path.is_file():
            raise ConfigurationError("inference", f"rapidocr is installed without {default}")
        return str(path)
    path = data_directory / weights.file
    if not path.is_file():
        raise ConfigurationError("inference", f"data/{weights.file} is not there")
    if _sha256(path) != weights.sha256:
        raise ConfigurationError("inference", f"data/{weights.file} has another SHA-256 than set")
    return str(path)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in chunks(file):
            digest.update(chunk)
    return digest.hexdigest()
