"""Lay out what is served, with the Python that it runs in; again when its author has changed it."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import LocalBasetenError
from .chain_layout import ServiceLayout, lay_out
from .config import about_secrets, not_honoured
from .environment import about_python, with_environment
from .model_log import shown
from .scaling import TrussServers

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
_SHARE_OF_LOOKING = 20  # of a folder with very many files


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSettings:
    """How its author wants the model to be run here.

    - With `install` each Truss has an environment of its own, of its `python_version` and with its
      requirements; else it runs in this one.
    - With `reload` the model is started again whenever a file of it changes, else only where it
      does not come up.
    - `secrets` are values by their names in config.yaml.
    - With `whole_tracebacks` the log has them as Python writes them.
    """

    install: bool = False
    reload: bool = False
    secrets: Mapping[str, str] = field(repr=False, default_factory=dict)
    whole_tracebacks: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparation:
    """Of `source`, a Truss's directory or a Chain's file; environments are kept in `directory`."""

    source: Path
    target: Path
    environments: Path
    settings: ModelSettings

    def lay_out(self) -> ServiceLayout:
        """Raises TrussError and ChainError."""
        return lay_out(self.source, self.target)

    def tell(self, layout: ServiceLayout, environment: Mapping[str, str]) -> None:
        """What is not as in production. `environment` is added to the model's."""
        for text in self._differences(layout, environment):
            logger.warning("not as on Baseten, %s", text)

    def _differences(self, layout: ServiceLayout, environment: Mapping[str, str]) -> Iterator[str]:
        """A text for each Truss that has any; a line each."""
        known = {**os.environ, **environment}
        for truss in layout.trusses:
            lines = not_honoured(truss)
            if python := about_python(truss, install=self.settings.install):
                lines.append(python)
            lines += about_secrets(truss, known, self.settings.secrets)
            if lines:
                chainlet = f", {truss.name}" if layout.is_chain else ""
                yield "\n".join([f"of {shown(truss.config)}{chainlet}:", *lines])

    async def complete(self, layout: ServiceLayout) -> ServiceLayout:
        """With the Pythons. Raises RequirementsError."""
        if not self.settings.install:
            return layout
        trusses = [await with_environment(one, self.environments) for one in layout.trusses]
        return replace(layout, trusses=trusses)

    async def keep_up_to_date(
        self,
        layout: ServiceLayout,
        deployed: Sequence[TrussServers],
        *,
        base_url: str,
        environment: Mapping[str, str],
    ) -> None:
        """Lay out and start again what has changed, until cancelled."""
        targets = [self.target, self.target.with_name(f"{self.target.name}-next")]
        seen = before = layout.seen
        while True:
            started = time.monotonic()
            now = await asyncio.to_thread(layout.look)
            looked_seconds = time.monotonic() - started
            is_wanted = self.settings.reload or any(servers.is_failing for servers in deployed)
            # Once they have stopped to change: an editor may write several files.
            if is_wanted and now != seen and now == before:
                seen = now
                logger.info("changed: %s; starting the model again", _names(layout.seen ^ now))
                in_use = layout.trusses[0].directory
                free = next(one for one in targets if not in_use.is_relative_to(one))
                again = replace(self, target=free)
                layout = await again._replace(layout, deployed, base_url, environment)
                layout = replace(layout, seen=now)
            before = now
            await asyncio.sleep(max(_LOOK_SECONDS, looked_seconds * _SHARE_OF_LOOKING))

    async def _replace(
        self,
        layout: ServiceLayout,
        deployed: Sequence[TrussServers],
        base_url: str,
        environment: Mapping[str, str],
    ) -> ServiceLayout:
        """What runs then: the former where the new one is none that can be served."""
        try:
            new = await asyncio.to_thread(self.lay_out)
            if [truss.name for truss in new.trusses[1:]] != [
                one.layout.name for one in deployed[1:]
            ]:
                logger.error("not started again: it has other Chainlets; start the stand-in again")
                return layout
            told = [*self._differences(layout, environment)]
            if [*self._differences(new, environment)] != told:
                self.tell(new, environment)
            new = await self.complete(new)
        except LocalBasetenError as error:
            logger.error("not started again: %s", error)  # noqa: TRY400  # it says all
            return layout
        new.connect(base_url)
        for servers, truss in zip(deployed, new.trusses, strict=True):
            servers.replace(truss)
        return new


def _names(looks: frozenset[tuple[str, int, int]]) -> str:
    names = sorted({shown(Path(name)) for name, *_ in looks})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
