"""What names a request's result: its metadata, and the key they give before it is sent."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from truss_outbox.contract.keys import KeyFields, KeyTemplate

if TYPE_CHECKING:
    from truss_outbox.contract.metadata import RequestMetadata

_AN_ID = "0" * 40  # as long as ids are, to see whether the key would fit


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """The key template with what the deployment puts into it.

    `model` is None where no config.yaml names it: then keys have Truss's own name for it.
    `metadata_field` is the field of a request's input that has its metadata.
    """

    template: KeyTemplate
    model: str | None = None
    environment: str | None = None
    metadata_field: str = "metadata"

    @property
    def needs_request_id(self) -> bool:
        return any(field == "request_id" for _, field in self.template.parts)

    def prefix(self, job: str) -> str:
        """What the keys of the job's results begin with; empty where they share nothing."""
        return self.template.job_prefix(job)

    def key(self, metadata: "RequestMetadata", *, request_id: str | None = None) -> str | None:
        """None where the key needs a request id that is not known yet.

        Raises InvalidInputError: a field is missing, or the key is too long.
        """
        fields = KeyFields(
            metadata=metadata,
            request_id=request_id or _AN_ID,
            model=self.model or "model",
            environment=self.environment,
        )
        key = self.template.render(fields)
        return None if self.needs_request_id and request_id is None else key
