"""The least inference there is, in the place of `model/inference/`: it says what it was told."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from truss_outbox import InferenceRequest, Outputs


class Request(InferenceRequest):
    text: str


class Echo:
    def run(self, request: Request, work_directory: Path) -> Outputs:
        return Outputs(result={"text": request.text}, files={})


def load(settings: Mapping[str, JsonValue], data_directory: Path) -> Echo:
    return Echo()
