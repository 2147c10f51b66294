"""Sending, and waiting with a bound."""

from pathlib import Path
from typing import Any

import httpx

from local_baseten.running import LocalBaseten
from tests.waiting import until

FINAL = {"SUCCEEDED", "FAILED", "EXPIRED", "CANCELED"}


def model_input(job: str, item: str, **values: Any) -> dict[str, Any]:
    return {"metadata": {"job": job, "item": item}, "text": "some words"} | values


def submit(api: httpx.Client, job: str, item: str, **values: Any) -> str:
    answer = api.post(
        "/production/async_predict", json={"model_input": model_input(job, item, **values)}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["request_id"]


def final_status(api: httpx.Client, request_id: str, *, seconds: float = 60) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        status = api.get(f"/async_request/{request_id}").json()
        return status if status["status"] in FINAL else None

    # Baseten answers 20 such calls a second, and so does the stand-in.
    return until(look, "the request's end", seconds=seconds, every=0.1)


def model_metrics(local: LocalBaseten) -> str:
    """The first Truss server's own page."""
    running = local.processes()
    url = f"{running.model_url}/metrics"
    return httpx.get(url, headers=running.model_headers, follow_redirects=True).text


def metric(local: LocalBaseten, name: str) -> float:
    """One sample of `model_metrics`."""
    lines = model_metrics(local).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.split(" ")[0] == name)


def entered(gate: Path) -> int:
    return len(list(gate.glob("entered-*")))
