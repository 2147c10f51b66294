"""Does what the request says, and writes down when."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import fastapi


class Model:
    def __init__(self):
        self._lock = threading.Lock()

    def predict(self, model_input, request: fastapi.Request):
        """`fail`: statuses, one per attempt. `crash`: in how many attempts the server dies.

        `gate`: the file whose appearing is waited for. `seconds`: how long it takes besides.
        `record`: gets a line per attempt.
        """
        request_id = request.headers["x-baseten-request-id"]
        attempt = self._record(Path(model_input["record"]), request_id, model_input.get("name"))
        if attempt <= model_input.get("crash", 0):
            os.kill(os.getpid(), signal.SIGKILL)
        gate = model_input.get("gate")
        while gate and not Path(gate).exists():
            time.sleep(0.01)
        time.sleep(model_input.get("seconds", 0))
        statuses = model_input.get("fail", [])
        if attempt <= len(statuses):
            raise fastapi.HTTPException(statuses[attempt - 1], "as the request says")
        return {
            "request_id": request_id,
            "model_input": model_input,
            "environment": dict(os.environ),
            "directory": str(Path.cwd()),
        }

    def _record(self, record, request_id, name):
        """Returns which attempt of the request this is, from 1."""
        line = json.dumps({"request_id": request_id, "name": name, "at": time.time()})
        with self._lock:
            with record.open("a") as file:
                file.write(line + "\n")
            return record.read_text().count(request_id)
