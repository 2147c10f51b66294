"""`outbox add` on Trusses of every shape: what it writes, what it leaves, what it refuses."""

import difflib
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from truss.base.truss_config import TrussConfig
from typer.testing import CliRunner

from outbox_client.adopting.library import installed_library, library_version
from outbox_client.commands.app import app
from tests.documentation.pages import block, command_lines
from tests.outbox_client.adopting import trusses
from tests.outbox_client.adopting.trusses import MODEL, SHAPES, make_truss

ROOT = "s3://results/outbox"
NEEDED = {"boto3", "pydantic"}


@pytest.fixture
def add():
    def add(*arguments, code=0):
        result = CliRunner().invoke(app, ["add", *map(str, arguments)])
        assert "Traceback" not in result.output
        assert result.exit_code == code, result.output
        return result

    return add


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def names(requirements) -> set[str]:
    return {
        line.partition("#egg=")[2] or line.partition(">")[0].partition("=")[0]
        for line in requirements
    }


def removed_lines(before: bytes, after: bytes) -> list[bytes]:
    lines = difflib.diff_bytes(
        difflib.unified_diff, before.splitlines(True), after.splitlines(True), n=0
    )
    return [line for line in lines if line.startswith(b"-") and not line.startswith(b"---")]


@pytest.mark.parametrize("shape", SHAPES)
def test_truss_takes_what_add_makes_and_a_second_time_changes_nothing(add, tmp_path, shape):
    truss = make_truss(tmp_path, SHAPES[shape])

    add(truss, "--root", ROOT)
    once = files(truss)
    again = add(truss, "--root", ROOT)
    checked = add(truss, "--check")

    assert files(truss) == once
    assert "there already" in again.stdout
    assert "there already" in checked.stdout
    config = TrussConfig.from_yaml(truss / "config.yaml")
    requirements = config.requirements or config.load_requirements_from_file(truss)
    assert names(requirements) >= NEEDED
    assert {"aws_access_key_id", "aws_secret_access_key"} <= set(config.secrets)
    assert config.model_metadata["outbox"]["root"] == ROOT
    assert (truss / config.bundled_packages_dir / "truss_outbox" / "contract").is_dir()
    assert not list(truss.rglob("__pycache__"))


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_there_stays_as_it_was(add, tmp_path, shape):
    truss = make_truss(tmp_path, SHAPES[shape])
    before = files(truss)
    was = yaml.safe_load(before["config.yaml"])

    add(truss, "--root", ROOT)

    after = files(truss)
    touched = {name for name in before if before[name] != after[name]}
    assert touched <= {"config.yaml", *filter(None, [Path(was.get("requirements_file", "")).name])}
    for name in touched:
        ends = b"\r\n" if b"\r\n" in before[name] else b"\n"
        assert after[name].count(b"\n") == after[name].count(ends)
        changed = removed_lines(before[name], after[name])
        allowed = [b"{}", b"[]", b"null", b"root:", b"secrets: {hf", b"flow", b'cpu: "1"}}']
        assert [one for one in changed if not any(part in one for part in allowed)] == (
            [] if before[name].endswith(b"\n") else [b"-" + before[name].splitlines()[-1]]
        )
    now = yaml.safe_load(after["config.yaml"])
    for name in set(was) - {"requirements", "secrets", "model_metadata"}:
        assert now[name] == was[name]
    for name in ("requirements", "secrets"):
        there = was.get(name) or []
        assert list(now.get(name) or [])[: len(there)] == list(there)


def test_comments_quotes_order_and_indentation_are_kept(add, tmp_path):
    truss = make_truss(tmp_path, trusses.COMMENTS)

    add(truss, "--root", ROOT)

    assert (
        (truss / "config.yaml").read_text()
        == """\
# Our speech model.
model_name: "speech"   # quotes stay

requirements:   # pinned by hand
    - numpy==2.3.5   # the newest
    # torch comes with the image
    - 'pydantic>=2.11'
    - boto3>=1.36

secrets:
    hf_access_token: null
    # another: null
    aws_access_key_id: null
    aws_secret_access_key: null

resources: {cpu: "2", memory: 4Gi}   # flow style here
model_metadata:
    example_model_input: {"text": "hello"}
    tags:
        - speech
    outbox:
        root: s3://results/outbox

# The end.
"""
    )


def test_a_new_list_is_indented_as_the_lists_that_are_there(add, tmp_path):
    truss = make_truss(tmp_path, "system_packages:\n- ffmpeg\n")
    add(truss, "--root", ROOT)
    assert "\nrequirements:\n- pydantic>=2.10\n" in (truss / "config.yaml").read_text()


def test_requirements_are_added_to_the_file_that_has_them(add, tmp_path):
    truss = make_truss(tmp_path / "pip", trusses.REQUIREMENTS_FILE)
    add(truss, "--root", ROOT)
    text = (truss / "requirements.txt").read_bytes().decode()
    assert text == trusses.REQUIREMENTS_TXT + "\r\npydantic>=2.10\r\n"

    truss = make_truss(tmp_path / "toml", trusses.PYPROJECT)
    add(truss, "--root", ROOT)
    assert (truss / "pyproject.toml").read_text() == trusses.PYPROJECT_TOML.replace(
        "# pinned\n",
        '# pinned\n    "pydantic>=2.10",\n    "boto3>=1.36",\n',
    )


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("requirements.txt", "numpy==2.3.5 \\\n    --hash=sha256:00\n", "pydantic>=2.10"),
        ("pyproject.toml", "[tool.other]\na = 1\n", "pydantic>=2.10"),
        ("pyproject.toml", '[project]\nname = "x"\ndynamic = ["dependencies"]\n', "pydantic>=2.10"),
        (
            "pyproject.toml",
            '[project]\nname = "x"\ndependencies = [\n  "numpy"\n  # last\n]\n',
            "boto3>=1.36",
        ),
        ("uv.lock", "version = 1\n", "uv add 'pydantic>=2.10' 'boto3>=1.36'"),
    ],
)
def test_what_cannot_be_edited_is_printed_to_be_pasted(add, tmp_path, file, text, said):
    truss = make_truss(tmp_path, f"requirements_file: {file}\n")
    (truss / file).write_text(text)

    result = add(truss, "--root", ROOT, code=1)

    assert (truss / file).read_text() == text
    assert f"Change by hand: {file}: " in result.stdout
    assert f"  {said}\n" in result.stdout


def test_what_a_lock_has_already_needs_no_hand(add, tmp_path):
    truss = make_truss(tmp_path, "requirements_file: uv.lock\n")
    needed = '"boto3==1.44.8", "pydantic>=2.11"'
    (truss / "pyproject.toml").write_text(f'[project]\nname = "x"\ndependencies = [{needed}]\n')
    add(truss, "--root", ROOT)


@pytest.mark.parametrize(
    "config",
    [
        "environment_variables: &none {}\nsecrets: *none\n",
        "secrets: &shared {a: null}\nmodel_metadata: *shared\n",
        "secrets: &shared\n  a: null\nenvironment_variables: *shared\n",
        "model_metadata: !!map {a: 1}\nrequirements: numpy\n",
        "model_name: x\n...\n",
    ],
)
def test_a_config_that_cannot_be_edited_is_printed_too(add, tmp_path, config):
    truss = make_truss(tmp_path, config)

    result = add(truss, "--root", ROOT, code=1)

    assert (truss / "config.yaml").read_text() == config
    pasted = result.stdout.partition("Change by hand: config.yaml")[2].partition("\n")[2]
    added = yaml.safe_load(pasted.partition("\n\n")[0])
    assert added["model_metadata"]["outbox"] == {"root": ROOT}


def test_check_shows_the_difference_and_changes_nothing(add, tmp_path):
    truss = make_truss(tmp_path, trusses.WINDOWS)
    before = files(truss)

    result = add(truss, "--root", ROOT, "--check", code=1)

    assert files(truss) == before
    shown = result.stdout.splitlines()
    assert shown[:2] == ["--- config.yaml (now)", "+++ config.yaml (then)"]
    assert "+    - boto3>=1.36" in shown
    assert any(line.startswith("packages/truss_outbox: ") for line in shown)


def test_the_library_is_this_installations_own_and_whole(add, tmp_path):
    truss = make_truss(tmp_path, trusses.EXISTING_PACKAGES)

    add(truss, "--root", ROOT)

    copy = files(truss / "packages" / "truss_outbox")
    source = files(installed_library())
    assert copy == {name: data for name, data in source.items() if "__pycache__" not in name}
    assert (truss / "packages" / "own" / "__init__.py").read_text() == "KEPT = True\n"


def test_an_upgrade_says_from_which_version_to_which(add, tmp_path):
    truss = make_truss(tmp_path, trusses.NO_REQUIREMENTS)
    add(truss, "--root", ROOT)
    library = truss / "packages" / "truss_outbox"
    version = library_version(library)
    face = library / "__init__.py"
    face.write_text(face.read_text().replace(f'"{version}"', '"0.0.9"'))
    (library / "of_the_old_version.py").write_text("")

    result = add(truss)

    assert f"packages/truss_outbox: from 0.0.9 to {version}" in result.stdout
    assert not (library / "of_the_old_version.py").exists()
    assert [path.name for path in library.parent.iterdir() if path.name != "own"] == [library.name]
    face.write_text("")
    assert "from an unknown version to" in add(truss).stdout


def test_a_library_that_several_trusses_share_is_kept_where_it_is(add, tmp_path):
    truss = make_truss(tmp_path, "external_package_dirs: [../shared]\n")
    shutil.copytree(installed_library(), tmp_path / "shared" / "truss_outbox")

    add(truss, "--root", ROOT)

    assert not (truss / "packages" / "truss_outbox").exists()


@pytest.mark.parametrize("what", ["folder", "link"])
def test_what_is_no_copy_of_the_library_is_left_alone(add, tmp_path, what):
    truss = make_truss(tmp_path, trusses.NO_REQUIREMENTS)
    place, other = truss / "packages" / "truss_outbox", tmp_path / "other"
    if what == "folder":
        place.mkdir()
    else:
        (other / "contract").mkdir(parents=True)
        place.symlink_to(other)

    result = add(truss, "--root", ROOT, code=3)

    assert "packages/truss_outbox: is " in result.stderr
    assert (truss / "config.yaml").read_text() == trusses.NO_REQUIREMENTS


@pytest.mark.parametrize(
    ("config", "named", "reason"),
    [
        ("docker_server: {start_command: serve}", "docker_server", "its own HTTP server"),
        ("trt_llm: {build: {}}\nmodel_module_dir: none", "trt_llm", "engine"),
        ("bis_llm: {a: 1}\nmodel_module_dir: none", "bis_llm", "engine"),
        (
            "base_image: {image: vllm}\nmodel_module_dir: none",
            "none/model.py",
            "serves by itself",
        ),
        ("model_module_dir: none", "none/model.py", "no such file"),
        ("model_class_name: Other", "model/model.py", "has no class Other"),
        ("a: [", "config.yaml", "line 2"),
        ("a: 2026-13-45", "config.yaml", "no YAML"),
        ("- a", "config.yaml", "no mapping"),
        ("model_metadata: 1", "model_metadata", "must be a mapping"),
        ("model_metadata: {outbox: {input_roots: [x]}}", "input_roots", "is no address"),
        ("requirements_file: none.txt", "requirements_file", "there is no"),
        ("requirements_file: latin.txt", "requirements_file", "UTF-8"),
        ("requirements_file: broken/pyproject.toml", "requirements_file", "pyproject.toml"),
    ],
)
def test_a_truss_that_cannot_store_is_refused_with_the_reason(add, tmp_path, config, named, reason):
    truss = make_truss(tmp_path, f"{config}\n")
    (truss / "latin.txt").write_bytes(b"# \xe9")
    (truss / "broken").mkdir()
    (truss / "broken" / "pyproject.toml").write_text("[")
    before = files(truss)

    result = add(truss, "--root", ROOT, code=3)

    assert result.stderr.startswith(f"outbox: {named}: ")
    assert reason in result.stderr
    assert files(truss) == before


def test_a_folder_without_config_is_no_truss(add, tmp_path):
    assert "holds no config.yaml" in add(tmp_path, "--root", ROOT, code=3).stderr


def test_a_root_is_needed_and_must_be_one(add, tmp_path):
    truss = make_truss(tmp_path, trusses.NO_REQUIREMENTS)
    assert "--root s3://" in add(truss, code=3).stderr
    assert "root: " in add(truss, "--root", "results", code=3).stderr


@pytest.mark.parametrize(
    ("pin", "suits"),
    [
        ("boto3==1.20.0", False),
        ("boto3<1.36", False),
        ("boto3~=1.35.2", False),
        ("boto3==1.30.*", False),
        ("boto3==1.40.1", True),
        ("Boto3[crt]~=1.30", True),
        ("boto3!=1.36", True),
        ("boto3<2", True),
        ("boto3 @ https://example.com/boto3.whl", True),
        ("boto3===local", False),
    ],
)
def test_a_pin_is_left_and_one_that_is_too_old_is_told(add, tmp_path, pin, suits):
    truss = make_truss(tmp_path, f'requirements:\n  - "{pin}"\n')

    result = add(truss, "--root", ROOT, code=0 if suits else 1)

    assert yaml.safe_load((truss / "config.yaml").read_text())["requirements"] == [
        pin,
        "pydantic>=2.10",
    ]
    assert ("is too old for Outbox, which needs boto3>=1.36" in result.stdout) is not suits


@pytest.mark.parametrize("version", ["py310", "py39"])
def test_a_python_that_is_too_old_is_told_and_left(add, tmp_path, version):
    truss = make_truss(tmp_path, f"python_version: {version}\n")

    result = add(truss, "--root", ROOT, code=1)

    assert f"python_version: {version} is too old" in result.stdout
    assert (truss / "config.yaml").read_text().startswith(f"python_version: {version}\n")


@pytest.mark.parametrize(
    ("root", "config", "secrets", "said"),
    [
        (ROOT, "", {"aws_access_key_id", "aws_secret_access_key"}, "aws_session_token"),
        (ROOT, "model_metadata: {outbox: {aws_role_arn: arn}}", set(), "--for trust --root"),
        ("gs://results/o", "", {"gcp_service_account"}, "--for writer --root gs://results/o"),
        (
            "gs://results/o",
            "model_metadata: {outbox: {gcp_workload_identity_provider: projects/1}}",
            set(),
            "oidc",
        ),
        ("file:///srv/results", "", set(), "trials on this machine"),
    ],
)
def test_it_says_what_a_first_deployment_needs(add, tmp_path, root, config, secrets, said):
    truss = make_truss(tmp_path, f"{config}\nmodel_name: x\n")

    result = add(truss, "--root", root)

    made = yaml.safe_load((truss / "config.yaml").read_text())
    assert set(made.get("secrets", {})) == secrets
    assert said in result.stdout
    assert ("truss push" in result.stdout) is not root.startswith("file:")
    for words in command_lines("\n".join(re.findall("`(outbox policy [^`]+)`", result.stdout))):
        line = " ".join(words).replace("…", "111122223333")
        assert CliRunner().invoke(app, line.split()).exit_code == 0, line
    clouds = names(made["requirements"]) & {"boto3", "google-cloud-storage"}
    assert clouds == {"s3": {"boto3"}, "gs": {"google-cloud-storage"}}.get(root[:2], set())


def test_another_bucket_goes_in_place_of_the_one_that_is_set(add, tmp_path):
    truss = make_truss(tmp_path, trusses.INDENTLESS)

    place = ("--region", "eu-west-1", "--endpoint-url", "https://s3.example.com")
    assert "outbox.region" not in add(truss, "--root", ROOT, *place).stdout

    text = (truss / "config.yaml").read_text()
    assert "    root: s3://results/outbox  # to be changed\n" in text
    assert "    region: eu-west-1\n    endpoint_url: https://s3.example.com\n" in text
    assert "pydantic>=" not in text
    assert "outbox.region" not in add(truss).stdout


def test_a_field_metadata_of_the_models_own_is_left_to_it(add, tmp_path):
    model = MODEL.replace('"input": model_input', '"input": model_input["metadata"]')
    truss = make_truss(tmp_path, trusses.NO_REQUIREMENTS, model=model)

    result = add(truss, "--root", ROOT)

    assert "model/model.py:8 takes the field `metadata`" in result.stdout
    section = yaml.safe_load((truss / "config.yaml").read_text())["model_metadata"]["outbox"]
    assert section == {"root": ROOT, "metadata_field": "outbox"}
    config = truss / "config.yaml"
    config.write_text(config.read_text().replace("field: outbox", "field: mine"))
    again = add(truss).stdout
    assert "there already" in again
    assert "by the field `mine`" in again


def test_the_pages_example_runs_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_truss(tmp_path, trusses.NO_REQUIREMENTS).rename("my-truss")
    for words in command_lines(block("sh", "outbox new my-words")):
        assert CliRunner().invoke(app, words).exit_code == 0
    assert Path("my-words/packages/truss_outbox").is_dir()


def test_the_answer_can_be_json(add, tmp_path):
    truss = make_truss(tmp_path, trusses.REQUIREMENTS_FILE)

    answer = json.loads(add(truss, "--root", ROOT, "--json").stdout)

    assert answer["written"]
    assert answer["library"]["from"] is None
    assert [one["name"] for one in answer["files"]] == ["./requirements.txt", "config.yaml"]
    assert [one["text"] for one in answer["model"]["lines"]] == [
        "from truss_outbox import stored",
        "@stored",
    ]
    assert not json.loads(add(truss, "--json").stdout)["written"]


def test_a_truss_that_cannot_be_written_is_told(add, tmp_path):
    truss = make_truss(tmp_path, f"{trusses.NO_REQUIREMENTS}bundled_packages_dir: config.yaml/x\n")
    assert "make it writable" in add(truss, "--root", ROOT, code=3).stderr
    assert "outbox" not in (truss / "config.yaml").read_text()


def test_a_file_keeps_its_rights_and_a_link_stays_one(add, tmp_path):
    truss = make_truss(tmp_path, trusses.NO_REQUIREMENTS)
    config, real = truss / "config.yaml", tmp_path / "real.yaml"
    config.rename(real)
    config.symlink_to(real)
    real.chmod(0o640)

    add(truss, "--root", ROOT)

    assert config.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert ROOT in real.read_text()
