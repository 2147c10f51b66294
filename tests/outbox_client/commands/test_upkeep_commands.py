"""doctor, policy, sweep and presign as commands: what they say, and their exit codes."""

import datetime
import hashlib
import json
import os
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from outbox_client.bucket.bucket import Bucket
from outbox_client.clock import Clock
from outbox_client.commands.options import parse_duration
from outbox_client.upkeep.checks import Finding, bucket_time, check_clock, check_inputs
from outbox_client.upkeep.presign import CredentialLife, credential_life, gcs_signer
from tests.canaries import found, seed
from tests.outbox_client.iam import new_user
from truss_outbox.contract.errors import ConfigurationError, InvalidInputError
from truss_outbox.contract.root import Root

HOUR = datetime.timedelta(hours=1)
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def config(tmp_path):
    """A checkout whose settings are those of the fake model."""
    path = tmp_path / "config.yaml"
    path.write_text('model_name: fake\nmodel_metadata: {outbox: {version: "1"}}\n')
    return path


def findings(result):
    return {check["name"]: check["finding"] for check in json.loads(result.stdout)["checks"]}


def said(result):
    return {check["name"]: check["said"] for check in json.loads(result.stdout)["checks"]}


def test_doctor_finds_everything_well(outbox, config, documents, job, bucket):
    before_any = outbox("doctor", "--config", config, "--json")
    assert before_any.exit_code == 0, before_any.output
    assert findings(before_any)["deployed"] == "unknown"
    outbox("submit", documents, "--job", job, "--config", config)

    result = outbox("doctor", "--config", config)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * 10
    assert "cannot be known" in lines[-1]
    assert list(bucket.keys("inputs/")) == []


def test_doctor_needs_no_checkout(outbox, documents, job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outbox("submit", documents, "--job", job)

    result = outbox("doctor", "--json")

    assert result.exit_code == 0, result.output
    assert findings(result)["deployed"] == "ok"


@pytest.mark.parametrize(
    ("check", "remedy", "changes"),
    [
        ("API key", "set BASETEN_API_KEY", {"BASETEN_API_KEY": "another"}),
        ("model", "does not answer", {"OUTBOX_BASE_URL": "http://127.0.0.1:9"}),
        ("model", "no model is named", {"OUTBOX_BASE_URL": ""}),
        ("list manifests/", "check root and endpoint_url", {"OUTBOX_ROOT": "s3://none-such"}),
        ("list manifests/", "--for client", {"AWS_SECRET_ACCESS_KEY": "wrong"}),
        ("config", "your own in config.yaml", {"OUTBOX_ROOT": "s3://your-bucket/outbox"}),
        ("config", "unknown field {when}", {"OUTBOX_KEY_TEMPLATE": "{when}"}),
        ("deployed", "truss push", {"OUTBOX_VERSION": "2"}),
        ("deployed", "does not give", {"OUTBOX_KEY_TEMPLATE": "other/{job}/{item}"}),
    ],
)
def test_doctor_names_what_is_wrong_and_the_remedy(
    outbox, config, documents, job, check, remedy, changes
):
    outbox("submit", documents, "--job", job, "--config", config)
    result = outbox("doctor", "--config", config, "--json", **changes)
    assert result.exit_code == 1, result.output
    assert findings(result)[check] == "wrong"
    assert remedy in said(result)[check]


NOWHERE = "http://127.0.0.1:9"
OF_THE_SERVICE = {"OUTBOX_BASE_URL": "http://host:99999"}
OF_THE_BUCKET = {"OUTBOX_ENDPOINT_URL": "http://host:99999"}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, {"model"}),
        ({"SSL_CERT_FILE": "/none.pem"}, {"model"}),
        ({"SSLKEYLOGFILE": "/none/keys"}, {"model", "clock", "bucket"}),
        ({"AWS_CA_BUNDLE": "/none.pem"}, {"clock", "bucket"}),
        ({"AWS_PROFILE": "none"}, {"clock", "bucket"}),
        ({"OUTBOX_ENDPOINT_URL": NOWHERE}, {"list manifests/", "read", "create inputs/"}),
        (OF_THE_SERVICE, {"model"}),
        (OF_THE_BUCKET, {"clock", "bucket"}),
        (OF_THE_SERVICE | OF_THE_BUCKET, {"model", "clock", "bucket"}),
    ],
)
def test_doctor_goes_on_to_its_other_checks(outbox, config, changes, wrong, capfd):
    result = outbox("doctor", "--config", config, "--json", **changes)
    assert result.exit_code == 1
    found = findings(result)
    assert {name for name, finding in found.items() if finding == "wrong"} == wrong
    assert not [text for text in said(result).values() if "unexpected" in text]
    if "bucket" not in wrong:
        assert "list manifests/" in found
    if "model" not in wrong:
        assert found["API key"] == "ok"
    assert "panicked" not in capfd.readouterr().err


def test_doctor_says_which_right_is_missing(outbox, config, seaweedfs, root):
    with new_user(seaweedfs) as user:
        policy = json.loads(outbox("policy", "--for", "client").stdout)
        user.may(policy)
        assert outbox("doctor", "--config", config, **user.environment).exit_code == 0
        for action, check in {
            "s3:PutObject": "create inputs/",
            "s3:GetObject": "read",
            "s3:ListBucket": "list manifests/",
            "s3:DeleteObject": "delete inputs/",
        }.items():
            statements = [one for one in policy["Statement"] if action not in one["Action"]]
            user.may({**policy, "Statement": statements})
            result = outbox("doctor", "--config", config, "--json", **user.environment)
            assert result.exit_code == 1
            assert findings(result)[check] == "wrong", action
            assert "--for client" in said(result)[check]


class Forgetful(Bucket):
    """Overwrites what a create-only write should have found."""

    def create_new(self, key, data):
        self.delete(key)
        super().create_new(key, data)


def test_doctor_notices_a_store_that_ignores_conditions(bucket):
    forgetful = Forgetful(bucket._store, root=bucket.root)
    created, once, _ = check_inputs(forgetful)
    assert created.finding is Finding.OK
    assert once.finding is Finding.WRONG
    assert "conditional writes" in once.said


def test_doctor_notices_a_clock_that_is_wrong(seaweedfs, bucket_environment):
    def check(seconds):
        clock = Clock(now=lambda: datetime.datetime.now().timestamp() + seconds)  # noqa: DTZ005
        url = seaweedfs.endpoint_url
        return check_clock("s3://outbox", endpoint_url=url, clock=clock)

    assert check(0).finding is Finding.OK
    assert "ahead of" in check(600).said
    assert "behind" in check(-600).said
    nowhere = check_clock("s3://outbox", endpoint_url="http://127.0.0.1:9", clock=Clock())
    assert nowhere.finding is Finding.UNKNOWN


@pytest.mark.parametrize(
    "changes",
    [
        {"BASETEN_API_KEY": "another"},
        {"OUTBOX_ROOT": "s3://none-such-either"},
        {"AWS_SECRET_ACCESS_KEY": "wrong"},
        {"OUTBOX_BASE_URL": ""},
        {"OUTBOX_KEY_TEMPLATE": "{when}"},
    ],
)
def test_doctor_sends_nothing_where_nothing_could_be_seen(outbox, config, service, changes):
    result = outbox("doctor", "--send", "--config", config, "--json", **changes)
    assert result.exit_code == 1
    assert findings(result)["canaries"] == "unknown"
    assert "nothing was sent" in said(result)["canaries"]
    assert json.loads(result.stdout)["sent"] == {}
    assert not service.bodies


def test_doctor_sends_no_canary_to_a_chain(outbox, config, service):
    result = outbox("doctor", "--send", "--config", config, "--chain-id", "c", "--json")
    assert result.exit_code == 0, result.output
    assert "a Chain takes arguments of its own" in said(result)["canaries"]
    assert not service.bodies


def test_doctor_says_line_by_line_what_its_canaries_met(outbox, config, faults):
    faults.submits += [(429, "{}"), (413, "{}")]
    result = outbox("doctor", "--send", "--config", config, "--timeout", "5")
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("wrong    async canary")], lines
    assert "waiting for up to 5 s" in result.stdout
    assert lines[-1].startswith("ok       clean up")


def test_the_time_is_the_buckets_where_it_tells_it(seaweedfs, bucket_environment):
    def seconds_from_now(root, url):
        time = bucket_time(root, endpoint_url=url)
        return time and abs((time - datetime.datetime.now(datetime.UTC)).total_seconds())

    assert seconds_from_now("s3://outbox", seaweedfs.endpoint_url) < HOUR.total_seconds()
    assert seconds_from_now("file:///nowhere", None) < HOUR.total_seconds()
    assert seconds_from_now("s3://outbox", "http://127.0.0.1:9") is None


def test_policy_prints_json_and_needs_neither_key_nor_bucket(outbox):
    bare = {"BASETEN_API_KEY": "", "AWS_SECRET_ACCESS_KEY": "", "OUTBOX_BASE_URL": ""}
    for purpose in ("writer", "reader", "client", "sweeper", "bucket", "lifecycle"):
        result = outbox("policy", "--for", purpose, "--root", "s3://b/p", **bare)
        assert result.exit_code == 0, result.output
        assert "p/" in json.dumps(json.loads(result.stdout))
    trust = ("policy", "--for", "trust", "--principal", "123456789012", "--root", "s3://b")
    assert outbox(*trust).exit_code == 3
    narrow = outbox(*trust, "--org", "O1", "--model-id", "abc")
    assert "v=1:org=O1:team=*:model=abc:" in narrow.stdout
    assert outbox("policy", "--for", "everyone").exit_code == 2


def test_sweep_shows_first_and_deletes_when_told(outbox, documents, job, bucket):
    outbox("submit", documents, "--job", job)
    bucket.create(f"artifacts/job={job}/z/00000000/x", b"1234")
    bucket.create("probes/12345678", b"1")

    assert outbox("sweep").output == "nothing to sweep\n"
    shown = outbox("sweep", "--older-than", "0s")
    assert shown.exit_code == 0, shown.output
    assert f"orphaned: artifacts/job={job}/z/00000000/: 1 object(s), 4 bytes" in shown.stdout
    assert "2 object(s) of 5 bytes, 0 unfinished upload(s); --delete" in shown.stdout
    refused = outbox("sweep", "--older-than", "1h", "--delete")
    assert refused.exit_code == 2
    assert "may be under way" in refused.stderr
    assert outbox("sweep", "--older-than", "soon").exit_code == 2


def test_sweep_deletes_what_is_old_when_told(outbox, tmp_path):
    orphan = tmp_path / "bucket" / "artifacts" / "job=x" / "a" / "00000000" / "x"
    young = orphan.parents[1] / "11111111" / "x"
    for path, age in ((orphan, 3 * HOUR), (young, HOUR)):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"1234")
        then = (datetime.datetime.now(datetime.UTC) - age).timestamp()
        os.utime(path, (then, then))

    result = outbox(
        *("sweep", "--root", f"file://{tmp_path}/bucket"),
        *("--older-than", "2h", "--delete", "--json"),
    )

    assert result.exit_code == 0, result.output
    gone = json.loads(result.stdout)
    assert gone["deleted"]
    assert [one["size"] for one in gone["orphans"]] == [4]
    assert young.exists()
    assert not orphan.exists()


def test_presign_gives_links_that_work_without_credentials(outbox, documents, job):
    outbox("submit", documents, "--job", job)

    result = outbox("presign", job, "a.txt", "more/c.txt", "--expires", "10m", "--json")

    assert result.exit_code == 0, result.output
    links = json.loads(result.stdout)["links"]
    assert [(link["item"], link["name"]) for link in links] == [
        *(("a.txt", "copy.bin"), ("a.txt", "pages/size.txt")),
        *(("more/c.txt", "copy.bin"), ("more/c.txt", "pages/size.txt")),
    ]
    contents = [httpx.get(link["url"]).content for link in links]
    assert contents == [b"alpha", b"5", b"gamma", b"5"]
    assert "X-Amz-Expires=600" in links[0]["url"]
    for link in links:
        seed(f"signature of {link['item']}", parse_qs(link["url"])["X-Amz-Signature"][0])
    missing = outbox("presign", job, "a.txt", "zzz")
    assert found({"errors": result.stderr + missing.output}) == []
    assert len(outbox("presign", job).stdout.splitlines()) == 6


def test_presign_refuses_what_cannot_be(outbox, documents, job, tmp_path):
    outbox("submit", documents, "--job", job)
    assert "has no result of item" in outbox("presign", job, "zzz").stderr
    assert outbox("presign", "no-such-job").exit_code == 1
    for expires, changes in {
        "8d": {},
        "48h": {"AWS_SESSION_TOKEN": "a-session"},
        "2h": {"AWS_SESSION_TOKEN": "a-session", "AWS_CREDENTIAL_EXPIRATION": soon()},
    }.items():
        result = outbox("presign", job, "--expires", expires, **changes)
        assert result.exit_code == 3, result.output
        assert result.stderr.startswith("outbox: expires: ")
        assert "X-Amz" not in result.output


def soon():
    return (datetime.datetime.now(datetime.UTC) + HOUR).isoformat()


def test_a_directory_has_no_links(outbox, tmp_path):
    result = outbox("presign", "x", "--root", f"file://{tmp_path}/bucket")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "has no links" in result.stderr


@pytest.fixture
def service_account(tmp_path, monkeypatch):
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    email = "reader@project.iam.gserviceaccount.com"
    key = {"type": "service_account", "client_email": email, "private_key": pem}
    path = tmp_path / "key.json"
    path.write_text(json.dumps({**key, "token_uri": "http://127.0.0.1:9", "project_id": "p"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return private


def test_a_link_to_gcs_is_signed_for_the_escaped_key(service_account):
    sign = gcs_signer(Root.parse("gs://b/p"), life=HOUR, now=NOW)
    link = urlsplit(sign("artifacts/job=x/a%2Fb/00000000/t.txt"))
    query, _, signature = link.query.rpartition("&X-Goog-Signature=")
    assert link.path == "/b/p/artifacts/job%3Dx/a%252Fb/00000000/t.txt"
    assert "X-Goog-Expires=3600" in query
    # The signature's definition: docs.cloud.google.com/storage/docs/authentication/signatures
    date = parse_qs(query)["X-Goog-Date"][0]
    headers = f"host:{link.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    canonical = f"GET\n{link.path}\n{query}\n{headers}"
    scope = f"{date[:8]}/auto/storage/goog4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    said = f"GOOG4-RSA-SHA256\n{date}\n{scope}\n{digest}"
    service_account.public_key().verify(
        bytes.fromhex(signature), said.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


def test_a_link_to_gcs_needs_a_private_key_and_ends_in_a_week(service_account, monkeypatch):
    with pytest.raises(ConfigurationError, match="7 days"):
        gcs_signer(Root.parse("gs://b"), life=datetime.timedelta(days=8), now=NOW)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(ConfigurationError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        gcs_signer(Root.parse("gs://b"), life=HOUR, now=NOW)


def test_a_link_lives_no_longer_than_the_credentials():
    pair, session = CredentialLife(is_session=False), CredentialLife(is_session=True)
    ending = CredentialLife(is_session=True, expires_at=NOW + HOUR)
    pair.check(datetime.timedelta(days=7), now=NOW)
    session.check(datetime.timedelta(hours=36), now=NOW)
    ending.check(HOUR, now=NOW)
    second = datetime.timedelta(seconds=1)
    for life, asked in (
        (pair, datetime.timedelta(days=7) + second),
        (session, datetime.timedelta(hours=36) + second),
        (ending, HOUR + second),
    ):
        with pytest.raises(ConfigurationError, match="expires"):
            life.check(asked, now=NOW)


def test_the_expiry_is_that_of_the_credentials(bucket_environment, monkeypatch):
    assert credential_life() == CredentialLife(is_session=False)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session")
    assert credential_life() == CredentialLife(is_session=True)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2099-01-01T00:00:00Z")
    life = credential_life()
    assert life.expires_at == datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)


def test_durations_are_a_number_and_a_unit():
    assert parse_duration("90m", option="--x") == datetime.timedelta(minutes=90)
    for text in ("", "5", "h", "-1h", "1.5h", "1h30m", "٣h"):
        with pytest.raises(InvalidInputError, match="--x"):
            parse_duration(text, option="--x")
