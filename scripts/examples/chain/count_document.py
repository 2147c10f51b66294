"""A Chain whose entrypoint stores its results as the model does: in your bucket, each once."""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import cast

import truss_chains as chains
from anyio import to_thread
from counting import CountWords
from pydantic import JsonValue, RootModel
from truss_chains.remote_chainlet.utils import get_request_id

from truss_outbox import File, InferenceRequest, InvalidInputError, Outbox, Outputs, settings_in


class Request(InferenceRequest):
    document: File


class JsonObject(RootModel[dict[str, JsonValue]]):
    """What a Chainlet takes or returns as it is."""


class Counting:
    """The entrypoint's inference: it runs for requests that have no result yet."""

    def __init__(self, count_words: CountWords) -> None:
        self._count_words = count_words

    def run(self, request: Request, work_directory: Path) -> Outputs:
        try:
            text = request.document.path.read_text(encoding="utf-8")
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
            secret_keys=[
                *("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
                "gcp_service_account",
            ]
        ),
        # The model's, taken from the shell that runs `truss chains push`.
        options=chains.ChainletOptions(env_variables=settings_in(os.environ)),
    )

    def __init__(
        self,
        count_words: CountWords = chains.depends(CountWords, retries=2),  # noqa: B008
        context: chains.DeploymentContext = chains.depends_context(),  # noqa: B008
    ) -> None:
        self._outbox = Outbox.open(
            {"model_name": "outbox-chain"},
            cast(Mapping[str, str], context.secrets),
            environment={"name": context.environment.name} if context.environment else None,
            request_type=Request,
        )
        self._counting = Counting(count_words)

    async def run_remote(self, metadata: JsonObject, document: JsonObject) -> JsonObject:
        model_input = {"metadata": metadata.root, "document": document.root}
        begin = partial(self._outbox.begin, model_input, request_id=get_request_id())
        work = await self._outbox.store(await to_thread.run_sync(begin), self._counting.run)
        return JsonObject(await self._outbox.finish(work))
