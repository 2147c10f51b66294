"""An AWS role taken with an OIDC token: no key is stored anywhere, and the token's file rotates."""

import dataclasses
import uuid
from urllib.parse import parse_qs

import pytest

from tests.truss_outbox.stores.s3.front_door import FrontDoor, Refusal, Request, running_front_door
from truss_outbox.contract.errors import AccessDeniedError, StoreUnavailableError
from truss_outbox.stores import open_store

MIB = 1 << 20
ROLE = "arn:aws:iam::123456789012:role/outbox"


class TokenService:
    """In front of moto's STS: takes a token once, then puts the next one into the file.

    Of what it gave away, only the latest credentials are good.
    """

    def __init__(self, door: FrontDoor, token_file) -> None:
        self.tokens_taken: list[str] = []
        self.asked: list[dict[str, list[str]]] = []
        self.keys_used: list[str | None] = []
        self._token_file = token_file
        self._rotate()
        door.refuse = self.refuse

    def refuse(self, request: Request) -> Refusal | None:
        if b"AssumeRoleWithWebIdentity" not in request.body[:2000]:
            if request.access_key_id not in self.keys_used[-1:]:
                self.keys_used.append(request.access_key_id)
            if "X-Amz-Security-Token" not in request.headers:
                return Refusal(403, "AccessDenied")
            stale = request.access_key_id in self.keys_used[:-1]
            return Refusal(400, "ExpiredToken") if stale else None
        asked = parse_qs(request.body.decode())
        (token,) = asked["WebIdentityToken"]
        if token != self._token_file.read_text():
            return Refusal(400, "ExpiredTokenException")
        self.asked.append(asked)
        self.tokens_taken.append(token)
        self._rotate()
        return None

    def _rotate(self) -> None:
        fresh = self._token_file.with_suffix(".next")
        fresh.write_text(f"token-{uuid.uuid4()}")
        fresh.replace(self._token_file)


@pytest.fixture
def door(moto_options):
    with running_front_door(moto_options.endpoint_url) as door:
        yield door


@pytest.fixture
def token_file(tmp_path):
    return tmp_path / "token"


@pytest.fixture
def service(door, token_file):
    return TokenService(door, token_file)


@pytest.fixture
def options(door, moto_options, token_file, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", door.url)
    return dataclasses.replace(
        moto_options,
        endpoint_url=door.url,
        access_key_id=None,
        secret_access_key=None,
        aws_role_arn=ROLE,
        aws_role_session_name="tests",
        oidc_token_file=token_file,
    )


def test_the_role_is_taken_once_and_signs_every_call(service, options):
    store = open_store("s3://outbox", s3=options)
    assert service.tokens_taken == []
    store.create("identity/a", b"x", content_type="text/plain")
    assert store.get("identity/a") == b"x"
    (asked,) = service.asked
    assert asked["RoleArn"] == [ROLE]
    assert asked["RoleSessionName"] == ["tests"]
    assert asked["DurationSeconds"] == ["3600"]
    assert len(service.keys_used) == 1


def test_credentials_that_expire_in_mid_upload_are_renewed_with_the_token_of_the_day(
    service, options, tmp_path
):
    # Of credentials for 15 minutes none are left to be safe, so each call asks for new ones.
    options = dataclasses.replace(
        options,
        aws_role_duration_seconds=900,
        s3_multipart_threshold_bytes=5 * MIB,
        s3_part_bytes=5 * MIB,
        s3_part_concurrency=1,
    )
    data = uuid.uuid4().bytes * (11 * MIB // 16)
    (tmp_path / "source").write_bytes(data)
    store = open_store("s3://outbox", s3=options)
    store.put_file("identity/large", tmp_path / "source", content_type="text/plain")
    assert store.get("identity/large") == data
    assert len(service.keys_used) >= 5
    assert len(set(service.tokens_taken)) == len(service.tokens_taken) >= 5


def test_a_token_that_expired_is_named_without_being_shown(service, options, door):
    door.refuse = lambda _: Refusal(400, "ExpiredTokenException")
    with pytest.raises(AccessDeniedError, match="the OIDC token has expired") as caught:
        open_store("s3://outbox", s3=options).get("identity/a")
    assert "token-" not in str(caught.value)


def test_a_role_that_does_not_trust_the_token_is_named(service, options, door):
    door.refuse = lambda _: Refusal(403, "AccessDeniedException")
    with pytest.raises(AccessDeniedError, match="trust policy of aws_role_arn"):
        open_store("s3://outbox", s3=options).get("identity/a")


def test_a_token_service_that_is_away_may_come_back(service, options, door):
    door.refuse = lambda _: Refusal(503, "ServiceUnavailableException")
    with pytest.raises(StoreUnavailableError):
        open_store("s3://outbox", s3=options).get("identity/a")


def test_a_missing_token_file_is_named(options):
    with pytest.raises(AccessDeniedError, match=r"runtime\.oidc\.enabled"):
        open_store("s3://outbox", s3=options).get("identity/a")
