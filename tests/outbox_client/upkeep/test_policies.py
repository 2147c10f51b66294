"""The printed policies, enforced: each side works with exactly its own and fails with less."""

import contextlib
import json
import re
import subprocess
import sys
import uuid

import boto3
import pytest
from typer.testing import CliRunner

from outbox_client.bucket.naming import Naming
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.commands.app import app as outbox
from outbox_client.deleting.delete import delete as delete_job
from outbox_client.deleting.deletion import WHOLE_JOB, Scope
from outbox_client.fetching.fetch import fetch
from outbox_client.indexing.build import index
from outbox_client.indexing.compaction import FAN_IN
from outbox_client.policies import Deployed, Purpose, Workload, policy
from outbox_client.policies.role import ARTIFACTS_LATER_DAYS
from outbox_client.upkeep.found import Undeleted
from outbox_client.upkeep.sweep import sweep_attempts
from outbox_client.upkeep.uploads import open_uploads
from tests.outbox_client.fake_service import FakeService
from tests.outbox_client.iam import actions, new_user, owner, without
from tests.tiny_truss import PROJECT
from truss_outbox.contract.errors import AccessDeniedError, ConfigurationError, OutboxError
from truss_outbox.contract.keys import KeyTemplate
from truss_outbox.contract.root import Root
from truss_outbox.stores import open_store
from truss_outbox.stores.probing import probe

# What SeaweedFS does not ask for, and AWS does.
NOT_ENFORCED = {
    "s3:AbortMultipartUpload": "whoever may put may abort",
    "s3:PutObjectTagging": "whoever may put may tag",
}
README = (PROJECT / "README.md").read_text(encoding="utf-8")
NAMING = Naming(template=KeyTemplate.parse("job={job}/{item}"))


@pytest.fixture
def user(seaweedfs):
    with new_user(seaweedfs) as user:
        yield user


@pytest.fixture
def reading_as(user, monkeypatch, root):
    """The companion's bucket, opened by the user."""

    def reading_as():
        for name, value in user.environment.items():
            monkeypatch.setenv(name, value)
        return open_bucket(root, endpoint_url=user.endpoint_url)

    return reading_as


def printed(purpose, root, **more):
    document = policy(purpose, Root.parse(root), **more)
    return json.loads(json.dumps(document))


def body(job, *, item="a", input_key=None):
    document = {"input": input_key} if input_key else {"base64": "aGVsbG8="}
    return {"model_input": {"document": document, "metadata": {"job": job, "item": item}}}


def write(user, root, tmp_path, input_key):
    """What the model does: the probe, an input by reference, artifacts, commit, failure, retry."""
    store = open_store(root, s3=user.options)
    probe(store)
    service = FakeService(store, NAMING, tmp_path / uuid.uuid4().hex)
    job = uuid.uuid4().hex
    service.submit(body(job, input_key=input_key))
    service.submit(body(job, input_key=input_key))
    service.fail("r", "job=x/a", code="X", message="x")
    assert service.inferences == 1
    store.delete("artifacts/job=x/a/00000000/text.txt")


def test_the_writer_needs_every_action_of_its_policy(user, bucket, root, tmp_path):
    bucket.create("inputs/abc", b"hello")
    whole = printed(Purpose.WRITER, root, deployed=Deployed(tags=True))
    user.may(whole)
    write(user, root, tmp_path, "inputs/abc")

    needed = set(actions(whole)) - NOT_ENFORCED.keys() - {"s3:ListBucket", "s3:DeleteObject"}
    assert needed == {"s3:PutObject", "s3:GetObject"}
    for action in needed | {"s3:DeleteObject"}:
        user.may(without(whole, action))
        with pytest.raises((OutboxError, AssertionError)) as raised:
            write(user, root, tmp_path, "inputs/abc")
        assert "AccessDenied" in str(raised.value), action


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:GetObject"])
def test_a_model_with_one_right_less_does_not_come_up_and_names_it(user, root, action):
    user.may(without(printed(Purpose.WRITER, root), action))
    with pytest.raises(ConfigurationError, match=action.removeprefix("s3:")):
        probe(open_store(root, s3=user.options))


def test_the_writer_may_do_nothing_else(user, bucket, root):
    bucket.create("artifacts/job=x/a/00000000/t", b"x")
    user.may(printed(Purpose.WRITER, root))
    store = open_store(root, s3=user.options)
    elsewhere = open_store(f"{root}-of-others", s3=user.options)
    for forbidden in (
        lambda: store.get("artifacts/job=x/a/00000000/t"),
        lambda: store.delete("manifests/job=x/a.json"),
        lambda: store.delete("inputs/abc"),
        lambda: store.create("inputs/abc", b"", content_type="text/plain"),
        lambda: elsewhere.create("artifacts/x", b"", content_type="text/plain"),
        lambda: elsewhere.get("manifests/x"),
    ):
        with pytest.raises(AccessDeniedError):
            forbidden()


def test_the_reader_needs_every_action_of_its_policy(user, reading_as, service, root, tmp_path):
    service.submit(body("j"))
    whole = printed(Purpose.READER, root)
    user.may(whole)
    report = fetch("j", tmp_path / "out", bucket=reading_as(), naming=NAMING)
    assert (len(report.results), report.problems) == (1, [])

    assert actions(whole) == ["s3:GetObject", "s3:ListBucket"]
    for action in actions(whole):
        user.may(without(whole, action))
        with pytest.raises(AccessDeniedError):
            fetch("j", tmp_path / action, bucket=reading_as(), naming=NAMING)


def test_the_reader_lists_only_records_and_changes_nothing(user, reading_as, root):
    user.may(printed(Purpose.READER, root))
    reader = reading_as()
    assert list(reader.keys("failures/")) == []
    for forbidden in (
        lambda: list(reader.keys("artifacts/")),
        lambda: reader.get("inputs/abc"),
        lambda: reader.create("inputs/abc", b""),
        lambda: reader.delete("manifests/job=x/a.json"),
    ):
        with pytest.raises(AccessDeniedError):
            forbidden()


def test_the_client_makes_the_index_and_the_reader_reads_it(user, reading_as, service, root):
    service.submit(body("j"))
    user.may(printed(Purpose.CLIENT, root))
    assert index("j", bucket=reading_as(), naming=NAMING).added == 1

    user.may(printed(Purpose.READER, root))
    assert index("j", bucket=reading_as(), naming=NAMING).known == 1
    reader = reading_as()
    (part,) = reader.keys("index/job=j/")
    with pytest.raises(AccessDeniedError):
        reader.create_new(part.replace("00000000", "00000001"), b"")


def test_who_may_delete_merges_the_index_and_who_may_not_makes_it_all_the_same(
    user, reading_as, service, root
):
    for number in range(FAN_IN):
        service.submit(body("j", item=f"{number}"))
    policy = printed(Purpose.CLIENT, root)
    for may, parts in ((without(policy, "s3:DeleteObject"), FAN_IN), (policy, 1)):
        user.may(may)
        bucket = reading_as()
        assert index("j", bucket=bucket, naming=NAMING, part_rows=1).problems == []
        assert sum(".parquet" in key for key in bucket.keys("index/job=j/")) == parts


def test_the_client_stores_a_jobs_account_and_the_reader_reads_it(user, reading_as, root):
    user.may(printed(Purpose.CLIENT, root))
    for account in (b"first", b"second"):
        reading_as().put("jobs/j.json", account)

    user.may(printed(Purpose.READER, root))
    assert reading_as().get("jobs/j.json") == b"second"
    with pytest.raises(AccessDeniedError):
        reading_as().put("jobs/j.json", b"")


def test_the_client_needs_every_action_of_its_policy(user, reading_as, service, root, tmp_path):
    service.submit(body("j"))
    document = tmp_path / "document"
    document.write_bytes(b"x" * 100)

    def use():
        bucket, key = reading_as(), f"inputs/{uuid.uuid4().hex}"
        assert not bucket.exists(key)
        bucket.upload(key, document)
        bucket.create(key, b"")
        bucket.delete(key)
        fetch("j", tmp_path / uuid.uuid4().hex, bucket=bucket, naming=NAMING)

    whole = printed(Purpose.CLIENT, root)
    user.may(whole)
    use()
    needed = set(actions(whole)) - NOT_ENFORCED.keys()
    assert needed == {"s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"}
    for action in needed:
        user.may(without(whole, action))
        with pytest.raises(AccessDeniedError):
            use()
    user.may(whole)
    with pytest.raises(AccessDeniedError):
        reading_as().create("manifests/job=x/a.json", b"{}")


# SeaweedFS takes no policy that names it, and asks for it all the same: there, s3:List* says it.
LIST_UPLOADS = "s3:ListBucketMultipartUploads"


def test_the_sweeper_needs_every_action_of_its_policy(user, bucket, reading_as, root, sweep_time):
    def use():
        bucket.create("artifacts/job=x/a/00000000/t", b"x")
        return list(sweep_attempts(reading_as(), before=sweep_time, delete=True))

    whole = without(printed(Purpose.SWEEPER, root), LIST_UPLOADS)
    user.may(whole)
    assert len(use()) == 1
    for action in set(actions(whole)) - NOT_ENFORCED.keys():
        user.may(without(whole, action))
        try:
            assert [type(one) for one in use()] == [Undeleted]
        except AccessDeniedError:
            assert action != "s3:DeleteObject"


@pytest.mark.slow
def test_the_deleter_needs_every_action_of_its_policy(user, bucket, reading_as, service, root):
    told = "submissions/job=j/000000000000-000000.jsonl"
    header = {"schema": "outbox.submissions/v1", "job": "j", "ended": True, "batches": []}
    lines = [{"item": one, "key": f"job=j/{one}", "state": "failed"} for one in ("a", "b")]

    def use():
        """Some of the job, and then all of it."""
        for item in ("a", "b"):
            service.submit(body("j", item=item))
        bucket.put(told, "\n".join(map(json.dumps, [header, *lines])).encode())
        bucket.put("jobs/j.json", b"{}")
        index("j", bucket=bucket, naming=NAMING)
        for selection in (Scope(items=frozenset({"a"})), WHOLE_JOB):
            done = delete_job(
                "j", bucket=reading_as(), naming=NAMING, selection=selection, is_dry=False
            )
            if done.undeleted:
                raise AccessDeniedError(done.undeleted[0].key, done.undeleted[0].why)

    whole = printed(Purpose.DELETER, root)
    user.may(whole)
    use()
    for folder in ("manifests/", "artifacts/", "failures/", "index/", "submissions/", "jobs/"):
        assert list(bucket.keys(folder)) == []
    assert actions(whole) == ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]
    for action in actions(whole):
        user.may(without(whole, action))
        with pytest.raises(AccessDeniedError):
            use()


def test_a_policy_of_before_there_were_deletions_reads_and_makes_the_index(
    user, reading_as, service, root
):
    service.submit(body("j"))
    for purpose, known in ((Purpose.CLIENT, 0), (Purpose.READER, 1)):
        earlier = json.dumps(printed(purpose, root)).replace("/deletions/", "/of-later/")
        user.may(json.loads(earlier))
        if purpose is Purpose.READER:
            with pytest.raises(AccessDeniedError):
                list(reading_as().keys("deletions/"))
        assert index("j", bucket=reading_as(), naming=NAMING).known == known


def test_the_sweeper_must_be_allowed_to_list_uploads(
    user, reading_as, root, sweep_time, bucket_environment
):
    def use():
        reading_as()
        uploads = open_uploads(root, endpoint_url=user.endpoint_url, region="us-east-1")
        return list(uploads.sweep(before=sweep_time, delete=True))

    whole = json.dumps(printed(Purpose.SWEEPER, root))
    user.may(json.loads(whole.replace(LIST_UPLOADS, "s3:List*")))
    assert use() == []
    user.may(without(json.loads(whole), LIST_UPLOADS))
    with pytest.raises(AccessDeniedError, match="--for sweeper"):
        use()


def test_the_bucket_policy_refuses_plain_http_to_everyone(seaweedfs):
    s3 = owner(seaweedfs, "s3")
    name = f"policed-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="p/artifacts/a", Body=b"")
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(printed(Purpose.BUCKET, f"s3://{name}/p")))
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.get_object(Bucket=name, Key="p/artifacts/a")
    s3.close()


def test_the_bucket_policy_asks_for_create_only_manifests():
    """No server here knows the key s3:if-none-match: this is AWS's documented form."""
    tls, create_only = printed(Purpose.BUCKET, "s3://b/p")["Statement"]
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert create_only["Effect"] == "Deny"
    assert create_only["Resource"] == ["arn:aws:s3:::b/p/manifests/*"]
    assert create_only["Condition"] == {
        "Null": {"s3:if-none-match": "true"},
        "Bool": {"s3:ObjectCreationOperation": "true"},
    }


def test_lifecycle_rules_are_taken_by_a_server(moto_options):
    s3 = boto3.client(
        "s3",
        endpoint_url=moto_options.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="moto",
        aws_secret_access_key="moto",
    )
    rules = printed(Purpose.LIFECYCLE, "s3://outbox/p")
    s3.put_bucket_lifecycle_configuration(Bucket="outbox", LifecycleConfiguration=rules)
    kept = s3.get_bucket_lifecycle_configuration(Bucket="outbox")["Rules"]
    s3.delete_bucket_lifecycle(Bucket="outbox")
    s3.close()
    assert {rule["Filter"]["Prefix"] for rule in kept} == {
        *("p/inputs/", "p/probes/", "p/", "p/artifacts/")
    }
    assert all("Expiration" not in rule for rule in kept if "artifacts" in rule["ID"])


@pytest.mark.parametrize("days", [20, 90])
def test_results_go_by_the_clouds_rules_and_their_manifests_a_week_before(moto_options, days):
    deployed = Deployed(results_days=days)
    rules = printed(Purpose.LIFECYCLE, "s3://outbox/p", deployed=deployed)["Rules"]
    ends = {rule["Filter"]["Prefix"]: rule.get("Expiration", {}).get("Days") for rule in rules}
    gone = {f"p/{name}/": days for name in ("manifests", "failures", "submissions", "jobs")}
    assert ends == gone | {
        "p/artifacts/": days + ARTIFACTS_LATER_DAYS,
        "p/inputs/": 30,
        "p/probes/": 2,
        "p/": None,
    }
    (artifacts,) = (rule for rule in rules if rule["Filter"]["Prefix"] == "p/artifacts/")
    assert ("Transitions" in artifacts) is (days == 90)
    s3 = boto3.client(
        "s3",
        endpoint_url=moto_options.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="moto",
        aws_secret_access_key="moto",
    )
    s3.put_bucket_lifecycle_configuration(Bucket="outbox", LifecycleConfiguration={"Rules": rules})
    s3.delete_bucket_lifecycle(Bucket="outbox")
    s3.close()

    rules = printed(Purpose.LIFECYCLE, "gs://b/p", deployed=deployed)["lifecycle"]["rule"]
    ends = {
        rule["condition"]["matchesPrefix"][0]: rule["condition"]["age"]
        for rule in rules
        if rule["action"]["type"] == "Delete"
    }
    assert ends == gone | {"p/artifacts/": days + 7, "p/inputs/": 30, "p/probes/": 2}


def test_trust_is_for_one_organisation_at_least():
    trust = {"principal": "123456789012"}
    narrow = Workload(org="O1", team="T1", model="m1", environment="production")
    (statement,) = printed(Purpose.TRUST, "s3://b", workload=narrow, **trust)["Statement"]
    assert statement["Principal"]["Federated"] == (
        "arn:aws:iam::123456789012:oidc-provider/oidc.baseten.co"
    )
    assert statement["Condition"] == {
        "StringEquals": {"oidc.baseten.co:aud": "oidc.baseten.co"},
        "StringLike": {
            "oidc.baseten.co:sub": "v=1:org=O1:team=T1:model=m1:deployment=*"
            ":environment=production:type=model_container"
        },
    }
    for wrong in (Workload(), Workload(org="*"), Workload(org="a", team="b:model=*")):
        with pytest.raises(ConfigurationError):
            printed(Purpose.TRUST, "s3://b", workload=wrong, **trust)
    with pytest.raises(ConfigurationError, match="--principal"):
        printed(Purpose.TRUST, "s3://b", workload=narrow)


def test_gcs_has_the_same_roles_in_its_own_form():
    member = "serviceAccount:model@project.iam.gserviceaccount.com"
    writer = printed(Purpose.WRITER, "gs://b/p", principal=member)
    by_role = {binding["role"]: binding for binding in writer["bindings"]}
    manifests = "resource.name.startsWith('projects/_/buckets/b/objects/p/manifests/')"
    assert manifests in by_role["roles/storage.objectCreator"]["condition"]["expression"]
    # Who may delete may overwrite: never a manifest.
    assert manifests not in by_role["roles/storage.objectUser"]["condition"]["expression"]
    client = printed(Purpose.CLIENT, "gs://b/p", principal=member)
    (changes,) = (one for one in client["bindings"] if one["role"] == "roles/storage.objectUser")
    # A job's account is written anew each time.
    assert "/objects/p/jobs/" in changes["condition"]["expression"]
    reader = printed(Purpose.READER, "gs://b/p", principal=member)
    assert [binding["role"] for binding in reader["bindings"]] == ["roles/storage.objectViewer"]
    rules = printed(Purpose.LIFECYCLE, "gs://b/p")["lifecycle"]["rule"]
    assert rules[0]["condition"] == {"age": 30, "matchesPrefix": ["p/inputs/"]}
    trust = printed(Purpose.TRUST, "gs://b", workload=Workload(org="O1", model="m1"))
    assert trust["attributeCondition"] == (
        "assertion.org == 'O1' && assertion.model == 'm1' && assertion.type == 'model_container'"
    )
    with pytest.raises(ConfigurationError, match="needs no bucket policy"):
        printed(Purpose.BUCKET, "gs://b")


def bindings_by_role(purpose):
    """Folder names by role; none where the whole bucket is meant."""
    document = printed(purpose, "gs://your-bucket/outbox", principal="user:you@your-company.com")
    found = {}
    for binding in document["bindings"]:
        terms = binding.get("condition", {}).get("expression", "")
        names = re.findall(r"objects/outbox/([^']+)/'", terms)
        found[binding["role"].removeprefix("roles/storage.")] = {
            "the canaries'" if "/" in name else f"`{name}`" for name in names
        } or {"the bucket"}
    return found


def test_the_readme_has_the_bindings_that_are_printed():
    rows = re.findall(r"^\| `(object\w+|legacy\w+)` \| (.+) \| (.+) \|$", README, re.MULTILINE)
    assert len(rows) == 4
    for purpose, column in ((Purpose.WRITER, 1), (Purpose.CLIENT, 2)):
        assert bindings_by_role(purpose) == {row[0]: set(row[column].split(", ")) for row in rows}


LINTED = {
    "writer": (Purpose.WRITER, {}),
    "writer with all settings": (
        Purpose.WRITER,
        {
            "deployed": Deployed(
                kms_key=f"arn:aws:kms:eu-west-1:123456789012:key/{uuid.UUID(int=1)}",
                tags=True,
                input_roots=(Root.parse("s3://archive/scans"), Root.parse("s3://b")),
            )
        },
    ),
    "reader": (Purpose.READER, {}),
    "client": (Purpose.CLIENT, {"deployed": Deployed(input_roots=(Root.parse("s3://a/s"),))}),
    "sweeper": (Purpose.SWEEPER, {}),
    "inputs": (Purpose.INPUTS, {}),
    "follower": (Purpose.FOLLOWER, {"queue": "sqs://123456789012/q?region=eu-central-1"}),
}


LINTER = """
import json, sys, parliament
for line in sys.stdin:
    found = parliament.analyze_policy_string(line).findings
    print(json.dumps([one.issue for one in found]))
"""
"""In a process of its own: it leaves files open, which is an error here."""


def linted(documents):
    """AWS's own grammar, actions, resources and conditions: what is wrong with each."""
    lines = "\n".join(map(json.dumps, documents))
    command = [sys.executable, "-c", LINTER]
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_identity_policies_are_of_awss_own_grammar():
    cases = [(name, root) for name in LINTED for root in ("s3://b/p", "s3://b")]
    documents = [printed(LINTED[name][0], root, **LINTED[name][1]) for name, root in cases]
    wrong = printed(Purpose.READER, "s3://b/p")
    wrong["Statement"][0]["Action"] = ["s3:GetObjekt"]
    *found, of_wrong = linted([*documents, wrong])
    assert dict(zip(cases, found, strict=True)) == {case: [] for case in cases}
    assert of_wrong == ["UNKNOWN_ACTION"]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_resources_are_named_in_the_regions_partition(region, partition):
    deployed = Deployed(region=region, input_roots=(Root.parse("s3://a"),))
    for purpose in (Purpose.WRITER, Purpose.CLIENT, Purpose.SWEEPER, Purpose.BUCKET):
        document = printed(purpose, "s3://b/p", deployed=deployed)
        resources = {one for each in document["Statement"] for one in each["Resource"]}
        assert {one.split(":s3:::")[0] for one in resources} == {f"arn:{partition}"}
    trust = {"principal": "123456789012", "workload": Workload(org="O1"), "deployed": deployed}
    (statement,) = printed(Purpose.TRUST, "s3://b", **trust)["Statement"]
    assert statement["Principal"]["Federated"].startswith(f"arn:{partition}:iam::")


def test_the_model_reads_below_an_input_root_and_nowhere_else_in_that_bucket(
    user, seaweedfs, root, owned_bucket
):
    deployed = Deployed(input_roots=(Root.parse(f"s3://{owned_bucket}/scans"),))
    user.may(printed(Purpose.WRITER, root, deployed=deployed))
    archive = open_store(f"s3://{owned_bucket}", s3=user.options)
    assert archive.get("scans/a") == b"a"
    for key in ("secrets/a", "scans-of-others/a"):
        with pytest.raises(AccessDeniedError):
            archive.get(key)
    user.may(printed(Purpose.WRITER, root))
    with pytest.raises(AccessDeniedError):
        archive.get("scans/a")


@pytest.fixture
def owned_bucket(seaweedfs):
    name = f"archive-{uuid.uuid4().hex[:8]}"
    with contextlib.closing(owner(seaweedfs, "s3")) as s3:
        s3.create_bucket(Bucket=name)
        for key in ("scans/a", "secrets/a", "scans-of-others/a"):
            s3.put_object(Bucket=name, Key=key, Body=b"a")
    return name


def test_an_input_root_on_gcs_counts_in_its_own_bucket(tmp_path):
    places = (Root.parse("gs://b/scans"), Root.parse("gs://archive/scans"))
    document = printed(
        Purpose.CLIENT, "gs://b/p", principal="user:a", deployed=Deployed(input_roots=places)
    )
    text = json.dumps(document)
    assert "buckets/b/objects/scans/" in text
    assert "archive" not in text
    inputs = printed(Purpose.INPUTS, "gs://archive/scans", principal="user:a")
    (binding,) = inputs["bindings"]
    assert binding["role"] == "roles/storage.objectViewer"
    assert "buckets/archive/objects/scans/" in binding["condition"]["expression"]


CONFIG = """
model_metadata:
  outbox:
    root: s3://b/p
    region: cn-north-1
    s3_kms_key_id: arn:aws-cn:kms:cn-north-1:123456789012:key/1
    s3_tags: {team: a}
    input_roots: [s3://archive/scans]
"""


def print_policy(*arguments):
    return CliRunner().invoke(outbox, ["policy", *arguments])


def test_the_settings_of_config_yaml_flow_into_the_policy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)
    done = print_policy("--for", "writer", "--input-root", "s3://more", "--input-root", "s3://b/x")
    assert done.exit_code == 0, done.output
    statements = {one["Sid"]: one for one in json.loads(done.stdout)["Statement"]}
    assert "s3:PutObjectTagging" in statements["OutboxCreate"]["Action"]
    assert statements["OutboxEncryption"]["Resource"] == [
        "arn:aws-cn:kms:cn-north-1:123456789012:key/1"
    ]
    assert statements["OutboxReadInputRoots"]["Resource"] == [
        *("arn:aws-cn:s3:::archive/scans/*", "arn:aws-cn:s3:::more/*", "arn:aws-cn:s3:::b/x/*")
    ]


def test_a_key_that_no_policy_can_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG.replace("arn:aws-cn:kms:cn-north-1:", "alias/"))
    done = print_policy("--for", "writer")
    assert done.exit_code != 0
    assert "--kms-key" in done.stderr
    assert print_policy("--for", "lifecycle").exit_code == 0


def test_another_buckets_policy_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    where = ("--root", "gs://b/p", "--principal", "user:a", "--input-root", "gs://archive/scans")
    done = print_policy("--for", "writer", *where)
    assert json.loads(done.stdout)["version"] == 3
    assert "outbox policy --for inputs --root gs://archive/scans" in done.stderr


@pytest.mark.parametrize("place", ["gs://a", "file:///a", "s3://a/b?c", "nowhere"])
def test_an_input_root_that_is_none_is_named(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = print_policy("--for", "writer", "--root", "s3://b", "--input-root", place)
    assert done.exit_code != 0
    assert "input_root" in done.stderr


@pytest.mark.parametrize("root", ["file:///tmp/x", "s3://b/p*", "s3://b/${aws:x}", "gs://b/o'x"])
def test_a_root_that_policies_would_misread_is_refused(root):
    with pytest.raises(ConfigurationError, match="root"):
        printed(Purpose.READER, root)
