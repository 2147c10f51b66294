"""A deployed model, as a job sees it."""

from dataclasses import dataclass

from .bucket.bucket import Bucket
from .bucket.naming import Naming
from .service.api import AsyncApi


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """Where requests go, where their results appear, and under which keys.

    `model_version` is the setting `version` of the deployed model, where it is known.
    """

    api: AsyncApi
    bucket: Bucket
    naming: Naming
    model_version: str | None = None
