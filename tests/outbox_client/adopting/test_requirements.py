"""What `add` writes into a Truss is what the library there imports, and asks for."""

import ast
import importlib.metadata
import sys
from pathlib import Path

import pytest
import truss

from outbox_client.adopting.config import OLDEST_PYTHON, SECRETS
from outbox_client.adopting.library import installed_library, library_version
from outbox_client.adopting.requirements import needed_requirements
from truss_outbox.contract.root import Root
from truss_outbox.serving.settings import OutboxSettings, gcs_options, s3_options

BROUGHT_BY = {
    "google": "google-cloud-storage",
    "botocore": "boto3",
    "urllib3": "requests",
    "anyio": "fastapi",
    "starlette": "fastapi",
}
"""Of modules whose distribution has another name, or comes with another."""
CLOUDS = {"s3": {"boto3"}, "gs": {"google-cloud-storage"}}


def imported() -> set[str]:
    """The packages that the library imports when it runs."""
    found = set()
    for module in installed_library().rglob("*.py"):
        tree = ast.parse(module.read_text())
        for_types = {
            id(one)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
            for one in ast.walk(node)
        }
        for node in ast.walk(tree):
            if id(node) in for_types:
                continue
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    return found - sys.stdlib_module_names


def of_trusss_server() -> set[str]:
    """What Truss installs in every image."""
    listed = Path(truss.__file__).parent / "templates" / "server" / "requirements.txt"
    lines = listed.read_text().splitlines()
    return {line.partition("=")[0].partition(">")[0] for line in lines}


def test_the_image_has_all_that_the_library_imports():
    distributions = {BROUGHT_BY.get(name, name.replace("_", "-")) for name in imported()}
    needed = {one.name for one in needed_requirements(["s3", "gs"])}
    assert distributions - of_trusss_server() == needed


@pytest.mark.parametrize("scheme", ["s3", "gs", "file"])
def test_a_cloud_is_needed_only_where_a_root_is_in_it(scheme):
    names = {one.name for one in needed_requirements([scheme])}
    assert names == {"pydantic"} | CLOUDS.get(scheme, set())


def test_the_secrets_are_those_that_the_library_asks_for():
    asked = []

    class Secrets(dict):
        def __missing__(self, name):
            asked.append(name)
            raise KeyError(name)

    settings = OutboxSettings(root=Root.parse("s3://results"))
    s3_options(settings, Secrets())
    gcs_options(settings, Secrets())
    assert set(asked) - {"aws_session_token"} == {
        name for names in SECRETS.values() for name in names
    }


def test_the_version_and_the_oldest_python_are_the_distributions():
    metadata = importlib.metadata.metadata("truss-outbox")
    assert library_version(installed_library()) == metadata["Version"]
    assert metadata["Requires-Python"] == ">=" + ".".join(map(str, OLDEST_PYTHON))
