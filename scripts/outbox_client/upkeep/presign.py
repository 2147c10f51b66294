"""Links to a result's artifacts: whoever has one opens the file, without credentials."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Unpack

from truss_outbox.contract.errors import ConfigurationError, InvalidInputError
from truss_outbox.contract.keys import artifact_key
from truss_outbox.contract.manifest import Manifest
from truss_outbox.contract.root import Root
from truss_outbox.stores import GcsOptions, S3Options

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..bucket.open_bucket import Connection
from ..bucket.records import artifacts_of, listed_manifests, reading_listed

LONGEST_LINK = timedelta(days=7)
"""Neither S3's nor GCS's signatures last longer."""

LONGEST_SESSION = timedelta(hours=36)
"""AWS gives nobody session credentials for longer (STS GetSessionToken)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialLife:
    """`expires_at` is None where the end is not known: a session has one, a key pair has none."""

    is_session: bool
    expires_at: datetime | None = None

    def check(self, life: timedelta, *, now: datetime) -> None:
        """Raises ConfigurationError where a link of this life would die before its time."""
        if life > LONGEST_LINK:
            raise ConfigurationError("expires", "a signed link lives 7 days at most")
        if self.expires_at is not None and now + life > self.expires_at:
            minutes = max(0, int((self.expires_at - now).total_seconds() // 60))
            raise ConfigurationError(
                "expires",
                f"the credentials end in {minutes} minutes and a link with them: ask for less,"
                " renew them, or sign with a key pair of a user",
            )
        if self.is_session and self.expires_at is None and life > LONGEST_SESSION:
            raise ConfigurationError(
                "expires",
                "these are session credentials, which end within 36 hours and a link with them:"
                " ask for less, or sign with a key pair of a user",
            )


def credential_life() -> CredentialLife:
    """Of those that the bucket's links are signed with. Raises ConfigurationError."""
    from truss_outbox.stores.s3.client import open_session  # noqa: PLC0415  # 0.2 seconds
    from truss_outbox.stores.s3.credentials import NO_CREDENTIALS, resolving  # noqa: PLC0415

    with resolving():
        credentials = open_session(S3Options()).get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
    if credentials is None or frozen is None:
        raise ConfigurationError("AWS credentials", NO_CREDENTIALS)
    return CredentialLife(is_session=bool(frozen.token), expires_at=_expiry(credentials))


def _expiry(credentials: Any) -> datetime | None:
    # botocore keeps it to itself; only credentials that it can renew have one.
    expiry = getattr(credentials, "_expiry_time", None)
    return expiry.astimezone(UTC) if isinstance(expiry, datetime) else None


Sign = Callable[[str], str]


def gcs_signer(
    root: Root, *, life: timedelta, now: datetime, options: GcsOptions | None = None
) -> Sign:
    """By Google's own library: obstore does not escape the % of a key in GCS's links.

    Raises ConfigurationError: too long a life, or credentials without a private key.
    """
    CredentialLife(is_session=False).check(life, now=now)
    from google.auth.credentials import Signing  # noqa: PLC0415  # 0.3 seconds, with the next one

    from truss_outbox.stores.gcs.client import connect, credentials  # noqa: PLC0415

    options = options or GcsOptions()
    if not isinstance(credentials(options), Signing):
        raise ConfigurationError(
            "Google credentials",
            "cannot sign: set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file",
        )
    objects = connect(options).bucket(root.bucket)

    def sign(key: str) -> str:
        blob = objects.blob(root.object_name(key))
        link: str = blob.generate_signed_url(version="v4", expiration=life, method="GET")
        return link

    return sign


def signer(
    bucket: Bucket, *, life: timedelta, now: datetime, **connection: Unpack[Connection]
) -> Sign:
    """Raises ConfigurationError where links of this life cannot be."""
    root = Root.parse(bucket.root)
    match root.scheme:
        case "gs":
            options = GcsOptions(endpoint_url=connection.get("endpoint_url"))
            return gcs_signer(root, life=life, now=now, options=options)
        case "s3":
            credential_life().check(life, now=now)
            return partial(bucket.link, life=life)
        case _:
            raise ConfigurationError("root", "a directory has no links: only a bucket does")


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """To an artifact; `url` opens it for anybody who has it."""

    item: str
    name: str
    size: int
    sha256: str
    content_type: str
    url: str = field(repr=False)


def presign(
    job: str, items: Iterable[str] = (), *, bucket: Bucket, naming: Naming, sign: Sign
) -> Iterator[Link]:
    """Links, by item, to every artifact of the items, or of all the job's results.

    They are signed one by one, as they are taken. Only a manifest that lies under its own key is
    linked: another one could name files that this job does not own. Raises InvalidInputError for
    an item without a result, StoreError, and what `artifacts_of` raises.
    """
    wanted = set(items)
    is_wanted = partial(naming.template.may_be_of, takes_item=wanted.__contains__)
    listed = listed_manifests(bucket, naming.prefix(job), is_wanted=is_wanted if wanted else None)
    manifests = [
        one
        for one in bucket.in_steps(map(partial(reading_listed, bucket), listed))
        if one and one.job == job and (not wanted or one.item in wanted)
    ]
    for missing in wanted - {manifest.item for manifest in manifests}:
        raise InvalidInputError("ITEM", f"job {job!r} has no result of item {missing!r}")
    manifests.sort(key=lambda manifest: manifest.item)
    return (link for manifest in manifests for link in _links(bucket, manifest, sign))


def _links(bucket: Bucket, manifest: Manifest, sign: Sign) -> Iterator[Link]:
    for artifact in artifacts_of(bucket, manifest):
        key = artifact_key(manifest.key, manifest.attempt, artifact.name)
        yield Link(
            item=manifest.item,
            name=artifact.name,
            size=artifact.size,
            sha256=artifact.sha256,
            content_type=artifact.content_type,
            url=sign(key),
        )
