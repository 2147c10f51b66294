"""Every trouble comes to the explicit form, and with `--all` to a decorated model too."""

import pytest

from tests.asking_outbox import answer, answer_decorated
from tests.faults import scenario


@pytest.fixture(
    autouse=True,
    params=[
        pytest.param(answer, id="explicit"),
        pytest.param(answer_decorated, id="decorated", marks=pytest.mark.slow),
    ],
)
def form(request, monkeypatch):
    monkeypatch.setattr(scenario, "answer", request.param)
