"""The same kills of a model that is decorated."""

import pytest

from local_baseten.running import running_locally
from tests.end_to_end.test_crashes import (
    test_a_server_killed_during_predict,
    test_a_server_killed_while_it_stores,
    test_a_stand_in_killed_with_requests_queued_and_running,
)
from tests.tiny_truss import make_tiny_truss

__all__ = [
    "test_a_server_killed_during_predict",
    "test_a_server_killed_while_it_stores",
    "test_a_stand_in_killed_with_requests_queued_and_running",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def tiny_truss(tmp_path_factory):
    directory = tmp_path_factory.mktemp("decorated")
    return make_tiny_truss(directory, is_decorated=True, store_timeout_seconds=8)


@pytest.fixture(scope="module")
def local(tmp_path_factory, tiny_truss, model_environment):
    with running_locally(
        tiny_truss,
        state_directory=tmp_path_factory.mktemp("state"),
        concurrency_target=4,
        environment=model_environment,
    ) as running:
        yield running
