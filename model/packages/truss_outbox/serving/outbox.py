"""A request's way to a committed result, in the three steps Truss calls."""

import asyncio
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from anyio import to_thread
from pydantic import BaseModel, JsonValue
from starlette.requests import Request

from ..contract.errors import ConfigurationError, InvalidInputError, KeyConflictError
from ..contract.fingerprint import fingerprint, input_digest
from ..contract.keys import manifest_key
from ..contract.manifest import Manifest, ModelInfo
from ..contract.metadata import RequestMetadata
from ..contract.root import Root
from ..stores import ObjectStore
from ..stores.commit import find_manifest
from . import metrics
from .canary import answer_canary
from .deadlines import Deadlines, InThread
from .environment import current_environment
from .failures import FailureRecorder
from .files.download import Downloader
from .files.intake import FileIntake
from .files.reference import File
from .open_stores import OpenStores
from .request import identify, parse
from .results import Finished, StreamFile, finish, place_of
from .settings import OutboxSettings, read_settings
from .storing import ResultStorage
from .work import Attempt, Work, WorkDirectory

_opened: list["Outbox"] = []


@dataclass(kw_only=True, eq=False)
class Outbox:
    """Keeps a model's outputs. `begin`, `store` and `finish` are for preprocess, predict and
    postprocess; each raises the HTTPException to answer with, once its failure is on record.
    """

    settings: OutboxSettings
    bucket: ObjectStore
    model_name: str = "model"
    request_type: type[BaseModel] | None = None
    input_stores: tuple[ObjectStore, ...] = ()
    downloader: Downloader = field(default_factory=Downloader)
    environment: Callable[[], str | None] = current_environment
    unsafe_commit: bool = False
    # Not a monotonic one: that stops while a machine sleeps, and sweeps do not.
    clock: Callable[[], float] = time.time

    @classmethod
    def open(
        cls,
        config: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        environment: Mapping[str, Any] | None = None,
        request_type: type[BaseModel] | None = None,
    ) -> Self:
        """For `load`: reads the settings and tries out the bucket.

        `config`, `secrets` and `environment` are what Truss gives to `__init__`; `request_type` is
        the pydantic model that an input is parsed as. Raises ConfigurationError and StoreError.
        """
        settings = read_settings(config)
        stores = OpenStores.of(settings, secrets)
        outbox = cls(
            settings=settings,
            bucket=stores.bucket,
            model_name=config.get("model_name") or "model",
            request_type=request_type,
            input_stores=stores.inputs,
            downloader=Downloader(
                hosts=settings.url_hosts, timeout_seconds=settings.url_timeout_seconds
            ),
            environment=lambda: current_environment(environment),
            unsafe_commit=not stores.is_safe,
        )
        if "environment" in settings.key_template.fields and outbox.environment() is None:
            raise ConfigurationError(
                "key_template",
                "uses {environment}, and this deployment serves none: leave it out, or push with"
                " --environment",
            )
        _opened[:] = [outbox]
        return outbox

    @cached_property
    def files(self) -> FileIntake:
        return FileIntake(
            store=self.bucket,
            input_stores=self.input_stores,
            downloader=self.downloader,
            max_bytes=self.settings.max_document_bytes,
        )

    @cached_property
    def deadlines(self) -> Deadlines:
        return Deadlines(self.settings.max_inference_seconds)

    @cached_property
    def _storage(self) -> ResultStorage:
        return ResultStorage(
            self.bucket,
            pending=self.settings.max_pending_results,
            connections=self.settings.store_max_connections,
            unsafe_commit=self.unsafe_commit,
            clock=self.clock,
        )

    @property
    def _failures(self) -> FailureRecorder:
        return FailureRecorder(store=self.bucket)

    def begin(
        self, model_input: Any, caller: Request | None = None, *, request_id: str | None = None
    ) -> Work:
        """Read a request, find out whether its result is there already, and bring its files.

        `caller` is the HTTP request, as Truss hands it to preprocess; without one, `request_id`
        names the request.
        """
        if caller is not None:
            request_id = caller.headers.get("x-baseten-request-id")
        model = ModelInfo(
            name=self.model_name, version=self.settings.version, environment=self.environment()
        )
        content = dict(model_input) if isinstance(model_input, Mapping) else {}
        identity = identify(
            content.pop(self.settings.metadata_field, {}),
            request_id,
            field=self.settings.metadata_field,
            template=self.settings.key_template,
            model=model,
        )
        attempt = Attempt(key=identity.key, request_id=identity.request_id, model=model)
        with self._failures.answering(attempt), attempt.timed("preprocess"):
            if not isinstance(model_input, Mapping):
                raise InvalidInputError("model_input", "must be a JSON object")
            if identity.problem is not None:
                raise identity.problem
            work = Work(
                attempt=attempt,
                metadata=identity.metadata,
                fingerprint=fingerprint(
                    _digest(identity.metadata, content), model_version=model.version
                ),
                caller=caller,
            )
            try:
                self._read(work, content)
            except BaseException:
                work.close()
                raise
            return work

    async def store(self, work: Work, run: Callable[[Any, Path], Any]) -> Work:
        """Call `run(work.input, work.directory)` and begin to store what it returns.

        It may be a function or a coroutine function, and returns Outputs, any JSON value, or a
        generator. It does not run where the result is there already. What it has done is stored
        whether or not anyone waits for it.
        """
        step = functools.partial(self.call, run, work.input, work.directory)
        return await self.store_all(work, lambda in_thread: step(in_thread=in_thread), of=run)

    async def finish(self, work: Work) -> dict[str, JsonValue]:
        """Wait until the result is committed; the small answer to the caller: where it is."""
        if work.manifest is None:
            assert work.storing is not None, "store() comes before finish()"
            # Shielded: a caller who hangs up must not cancel what is being stored.
            work.manifest = await asyncio.shield(asyncio.wrap_future(work.storing))
        return self.pointer(work.manifest)

    def is_healthy(self) -> bool:
        """False while an inference goes on after its time was over: only a new replica helps."""
        return not self.deadlines.is_wedged

    @contextmanager
    def open_file(self, reference: Any, *, field: str = "file") -> Iterator[Path]:
        """The bytes of a file reference (`{"base64" | "input" | "url": …}`), checked and bounded.

        The path is there inside `with` alone. `field` names it in an error. Raises
        InvalidInputError, DocumentUnavailableError and StoreError.
        """
        file = parse(File, reference, name=field)
        with TemporaryDirectory(prefix="outbox-", ignore_cleanup_errors=True) as directory:
            path = Path(directory, "file")
            self.files.take(file, path, name=field)
            yield path

    def take_files(self, model_input: Any) -> None:
        """Bring the files of an input that is not stored; they live as long as it does.

        Raises InvalidInputError, DocumentUnavailableError and StoreError.
        """
        self.files.take_all(model_input, WorkDirectory())

    def pointer(self, manifest: Manifest) -> dict[str, JsonValue]:
        """Where the result lies. Of very many artifacts it says where they are listed."""
        listing = manifest.artifact_listing
        listed = {} if listing is None else {"artifact_listing": listing.model_dump(mode="json")}
        return {
            "request_id": manifest.request_id,
            "key": manifest.key,
            "manifest": Root.parse(self.bucket.root).uri(manifest_key(manifest.key)),
            "artifacts": [artifact.model_dump(mode="json") for artifact in manifest.artifacts],
            **listed,
            "result": manifest.result,
        }

    async def call(
        self, function: Callable[..., Any], *arguments: Any, in_thread: InThread | None = None
    ) -> Any:
        """Call an author's function as Truss would: one that may block, in a thread."""
        if inspect.iscoroutinefunction(function):
            return await function(*arguments)
        return await (in_thread or self.deadlines.in_thread)(function, *arguments)

    async def run(
        self,
        work: Work,
        step: Callable[[], Awaitable[Any]],
        *,
        of: Callable[..., Any],
        name: str = "predict",
    ) -> Any:
        """What an author's step returns, within its time. `of` is its function."""
        if work.caller is not None:
            _keep(work.caller)
        try:
            with work.attempt.timed(name):
                return await self.deadlines.bounded(step)
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes on record
            work.close()
            answer = functools.partial(self._failures.answer, error, work.attempt, of=of)
            raise await to_thread.run_sync(answer) from None
        except BaseException:
            work.close()
            raise

    async def store_all(
        self, work: Work, step: Callable[[InThread], Awaitable[Any]], *, of: Callable[..., Any]
    ) -> Work:
        """Run the last of an author's steps, and begin to store what it returns.

        `step` is given what runs a blocking function in a thread.
        """
        if work.manifest is not None:
            return work
        place = place_of(of)

        # At once, and where the function ran: what the author's code holds on to may be changed by
        # the next request, and another thread would cost the predict slot some milliseconds.
        def finished(function: Callable[..., Any], *arguments: Any) -> Any:
            returned = function(*arguments)
            if inspect.isgenerator(returned) or inspect.isasyncgen(returned):
                return returned
            return finish(returned, work.directory, place=place)

        async def outputs() -> Finished:
            if work.metadata.canary is not None:
                return await to_thread.run_sync(answer_canary, work, self.bucket)
            returned = await step(functools.partial(self.deadlines.in_thread, finished))
            if isinstance(returned, Finished):
                return returned
            if inspect.isgenerator(returned) or inspect.isasyncgen(returned):
                return await self._collect(returned, work, place=place)
            return await to_thread.run_sync(finished, lambda: returned)

        to_store = await self.run(work, outputs, of=of)
        work.storing = await self._storage.begin(work, to_store)
        return work

    async def _collect(self, stream: Any, work: Work, *, place: str) -> Finished:
        name = self.settings.stream_artifact
        with StreamFile(work.directory, name=name, place=place) as file:
            if inspect.isasyncgen(stream):
                async for chunk in stream:
                    file.write(chunk)
            else:
                await self.deadlines.in_thread(_write_all, stream, file)
        return file.finished

    def _read(self, work: Work, content: dict[str, Any]) -> None:
        """What a request says, for the model; a result that is there is found before files are."""
        reference = work.metadata.model_input
        if reference is not None and content:
            raise InvalidInputError(
                f"{self.settings.metadata_field}.model_input",
                f"stands for the whole input: leave out {next(iter(content))[:100]!r}",
            )
        if reference is None:
            work.input = self._parsed(work, content)
        committed = find_manifest(self.bucket, work.attempt.key)
        if committed is not None:
            work.manifest = _same_input(committed, work.fingerprint)
            return
        if reference is not None:
            work.input = self._parsed(work, self.files.take_model_input(reference, work))
        # It makes the folder, too: later that would be in the predict slot.
        self.files.take_all(work.input, work.kept)

    def _parsed(self, work: Work, content: dict[str, Any]) -> Any:
        if self.request_type is None or work.metadata.canary is not None:
            return content
        return parse(self.request_type, content)


def _keep(caller: Request) -> None:
    """From here on the work is paid for: nobody who hangs up keeps it from being stored.

    Truss asks this before postprocess, and leaves that out where the answer is yes.
    """

    async def is_disconnected() -> bool:
        return False

    caller.is_disconnected = is_disconnected  # type: ignore[method-assign]


def _digest(metadata: RequestMetadata, content: Mapping[str, Any]) -> str:
    """Of the input, whether the request carries it or names it: an object's name is its digest."""
    reference = metadata.model_input
    return input_digest(content) if reference is None else reference.rpartition("/")[2]


def _write_all(stream: Iterator[Any], file: StreamFile) -> None:
    for chunk in stream:
        file.write(chunk)


def _same_input(committed: Manifest, wanted: str) -> Manifest:
    """A result under this key may belong to a different input: fingerprints tell."""
    if committed.fingerprint != wanted:
        raise KeyConflictError(committed.key, request_id=committed.request_id)
    metrics.INFERENCES_SKIPPED.inc()
    return committed


def open_file(reference: Any, *, field: str = "file") -> AbstractContextManager[Path]:
    """`Outbox.open_file` of the Outbox that this process opened last.

    For models that take plain dicts: `with open_file(model_input["audio"]) as path:`.
    """
    if not _opened:
        raise ConfigurationError("open_file", "no Outbox is open: it is there once load began")
    return _opened[-1].open_file(reference, field=field)
