"""What a caller of the stand-in does, and what the obedient model wrote down."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local_baseten.running import LocalBaseten
from tests.waiting import until

FINAL = {"SUCCEEDED", "FAILED", "EXPIRED", "CANCELED"}


@dataclass
class Caller:
    http: httpx.Client
    record: Path

    def submit(self, name: str = "", *, options: dict[str, Any] | None = None, **does: Any) -> str:
        """`does` is for the obedient model, `options` are the request's."""
        model_input = {"record": str(self.record), "name": name} | does
        answer = self.http.post(
            "/production/async_predict", json={"model_input": model_input} | (options or {})
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["request_id"]

    def predict(self, name: str = "", **does: Any) -> httpx.Response:
        model_input = {"record": str(self.record), "name": name} | does
        return self.http.post("/production/predict", json=model_input)

    def status(self, request_id: str) -> dict[str, Any]:
        def ask() -> httpx.Response | None:
            answer = self.http.get(f"/async_request/{request_id}")
            return None if answer.status_code == 429 else answer

        answer = until(ask, "a call within the limit")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def final_status(self, request_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            status = self.status(request_id)
            return status if status["status"] in FINAL else None

        return until(look, "the request's end", seconds=30)

    def attempts(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """What the model wrote down, in order: request_id, name, at."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        attempts = [json.loads(line) for line in lines]
        return [one for one in attempts if request_id in (None, one["request_id"])]

    def until_running(self, request_id: str) -> None:
        until(lambda: self.attempts(request_id), "the model has the request", seconds=30)


@contextlib.contextmanager
def calling(local: LocalBaseten, record: Path) -> Iterator[Caller]:
    headers = {"authorization": f"Api-Key {local.api_key}"}
    with httpx.Client(base_url=local.base_url, headers=headers, timeout=30) as client:
        yield Caller(client, record)
