"""What `import truss_outbox` offers."""

import subprocess
import sys

import pytest

import truss_outbox


def test_every_name_it_lists_is_there():
    assert {name: getattr(truss_outbox, name).__name__ for name in truss_outbox.__all__} == {
        name: name for name in truss_outbox.__all__
    }


def test_a_name_it_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'stroed'"):
        _ = truss_outbox.stroed


def test_its_names_import_no_sdk():
    program = (
        "import sys\n"
        "from truss_outbox import *\n"
        "assert Outbox and Outputs\n"
        "heavy = {'boto3', 'botocore', 'google.auth', 'google.cloud.storage', 'obstore'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_errors_and_outputs_need_no_server():
    program = (
        "import sys\n"
        "from truss_outbox import InvalidInputError, OutboxError, Outputs\n"
        "sys.exit('fastapi' in sys.modules or 'prometheus_client' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
