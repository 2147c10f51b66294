"""A Chain whose entrypoint stores its results as the model does: in your bucket, each once."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import truss_chains as chains
from counting import CountWords
from pydantic import JsonValue, RootModel
from truss_chains.remote_chainlet.utils import get_request_id

from truss_outbox import InvalidInputError, Outputs
from truss_outbox.contract import Manifest
from truss_outbox.serving.failures import without_causes
from truss_outbox.serving.open_outbox import open_outbox
from truss_outbox.serving.request import DOCUMENT, InferenceRequest
from truss_outbox.serving.settings import model_info, read_settings

_NAMES = ("OUTBOX_ROOT", "OUTBOX_REGION", "OUTBOX_ENDPOINT_URL", "OUTBOX_KEY_TEMPLATE")
SETTINGS = {name: os.environ[name] for name in _NAMES if name in os.environ}
"""The model's, taken from the shell that runs `truss chains push`."""


class JsonObject(RootModel[dict[str, JsonValue]]):
    """What a Chainlet takes or returns as it is."""


class Counting:
    """The entrypoint's inference: it runs for requests that have no result yet."""

    def __init__(self, count_words: CountWords) -> None:
        self._count_words = count_words

    def run(self, request: InferenceRequest, work_directory: Path) -> Outputs:  # noqa: ARG002
        try:
            text = (work_directory / DOCUMENT).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise InvalidInputError("document", "must be a text in UTF-8") from None
        counts = self._count_words.run_remote(text)
        file = work_directory / "counts.json"
        file.write_text(json.dumps(counts))
        return Outputs(result={"words": sum(counts.values())}, files={file.name: file})


@chains.mark_entrypoint("outbox-chain")
class CountDocument(chains.ChainletBase):
    remote_config = chains.RemoteConfig(
        docker_image=chains.DockerImage(
            requirements_file=chains.make_abs_path_here("requirements.txt"),
            external_package_dirs=[chains.make_abs_path_here("../../../model/packages")],
        ),
        compute=chains.Compute(predict_concurrency=4),
        assets=chains.Assets(
            secret_keys=["aws_access_key_id", "aws_secret_access_key", "gcp_service_account"]
        ),
        options=chains.ChainletOptions(env_variables=SETTINGS),
    )

    @without_causes()
    def __init__(
        self,
        count_words: CountWords = chains.depends(CountWords, retries=2),  # noqa: B008
        context: chains.DeploymentContext = chains.depends_context(),  # noqa: B008
    ) -> None:
        settings = read_settings({})
        environment = {"name": context.environment.name} if context.environment else None
        self._outbox = open_outbox(
            settings,
            cast(Mapping[str, str], context.secrets),
            model=model_info(settings, {"model_name": "outbox-chain"}, environment),
            inference=Counting(count_words),
            request_type=InferenceRequest,
        )

    def run_remote(self, metadata: JsonObject, document: JsonObject) -> JsonObject:
        model_input = {"metadata": metadata.root, "document": document.root}
        step = self._outbox.prepare(model_input, request_id=get_request_id())
        manifest = step if isinstance(step, Manifest) else self._outbox.run(step).result()
        return JsonObject(self._outbox.pointer(manifest))
