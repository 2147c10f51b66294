"""Decorated models that err, wait, take files, or have settings of their own."""

from typing import Any

from tests.truss_outbox.decorated.shapes import HEAD

_HEAD = HEAD.replace(
    "{decorator}",
    """import gc, pathlib, time
from datetime import datetime
from PIL import Image
from truss_outbox import File, InvalidInputError, Outputs, open_file, run_isolated, stored
""",
)

MISTAKES = {
    "return object()": "the result is a object, which JSON has not: return what json.dumps takes",
    "return {'tags': {1, 2}}": "the result.tags is a set, which JSON has not: use a list",
    "return {'x': [numpy.float32(1)]}": "the result.x.0 is a numpy.float32, which JSON has",
    "return {'image': Image.new('L', (1, 1))}": "the result.image is a PIL.Image.Image",
    "return {'at': datetime.now()}": "the result.at is a datetime.datetime, which JSON",
    "return {'loss': float('nan')}": "the result.loss is nan, which JSON has not",
    "return {(1, 2): 3}": "the result has a key of type tuple: use str(...)",
    "return b'audio'": "the result is a bytes, which JSON has not: return Outputs(files=",
    "return self.later()": "the result is a coroutine, which JSON has not: await it",
    "return Outputs(files=['a.txt'])": "returned files that are no dict of names to paths or bytes",
    "return Outputs(files={'a.txt': 5})": "returned a int as the file 'a.txt'",
    "return Outputs(files={'a.txt': '/none/at/all'})": "there is no file for the artifact 'a.txt'",
    "return Outputs(files={'a.txt': b'1', 'A.TXT': b'2'})": "the name is taken",
    "return Outputs(files={'../a.txt': b'1'})": "cannot be an artifact's name",
    "return Outputs(result='x' * 70000, files={'result.json': b'1'})": "and a file of that name",
    "return (chunk for chunk in [1, 2])": "yielded a int: a stream is of str or bytes",
    "return JSONResponse({})": "returned a JSONResponse, which cannot be stored",
}
"""What predict does, and a part of the sentence that its author reads."""

_MISTAKEN = """
@stored
class Model:
    executions = 0

    async def later(self):
        return 1

    def predict(self, model_input):
        Model.executions += 1
        {statement}
        return None
"""

_FILES = """
class Input(pydantic.BaseModel):
    audio: File
    pages: list[File] = []

@stored
class Model:
    def predict(self, model_input: Input):
        return [file.path.read_text() for file in (model_input.audio, *model_input.pages)]
"""

_OPENED = """
@stored
class Model:
    def predict(self, model_input):
        with open_file(model_input["audio"], field="audio") as path:
            return {"audio": path.read_text(), "path": str(path)}
"""

_OUTPUTS = """
@stored
class Model:
    def predict(self, model_input):
        size, many = model_input.get("size", 0), model_input.get("many", 0)
        files = {"a/b.srt": b"1", "c.bin": bytearray(2)}
        files |= {f"many/{number}": b"x" for number in range(many)}
        return Outputs(result={"text": "x" * size}, files=files)
"""

_OWN_FIELD = """
@stored
class Model:
    def predict(self, model_input):
        return model_input
"""

_TEXT_SECRET = """
@stored
class Model:
    def predict(self, model_input):
        return self._helper(model_input)

    def _helper(self, model_input):
        raise ValueError("the secret is " + model_input["text"])
"""

_SLOW = """
@stored
class Model:
    released = threading.Event()

    def predict(self, model_input):
        if model_input.get("release"):
            Model.released.set()
        elif model_input.get("wait"):
            Model.released.wait(30)
        return "done"
"""

_SLOW_ASYNC = """
@stored
class Model:
    async def predict(self, model_input):
        await asyncio.sleep(30)
"""

_WAITING = """
@stored
class Model:
    def predict(self, model_input):
        pathlib.Path(model_input["begun"]).touch()
        try:
            run_isolated(time.sleep, model_input["seconds"], seconds=600)
        except BaseException as error:
            pathlib.Path(model_input["ended"]).write_text(type(error).__name__)
            raise
        return "done"
"""

_WAITING_ASYNC = """
@stored
class Model:
    async def predict(self, model_input):
        pathlib.Path(model_input["begun"]).touch()
        try:
            await asyncio.sleep(model_input["seconds"])
        except BaseException as error:
            pathlib.Path(model_input["ended"]).write_text(type(error).__name__)
            raise
        return "done"
"""

_STREAM = """
@stored
class Model:
    def predict(self, model_input):
        yield b"RIFF"
"""

OTHERS = {
    **{f"mistake {n}": _MISTAKEN.replace("{statement}", s) for n, s in enumerate(MISTAKES)},
    "files": _FILES,
    "opened": _OPENED,
    "outputs": _OUTPUTS,
    "own field": _OWN_FIELD,
    "always": _OWN_FIELD,
    "named stream": _STREAM,
    "raises": _TEXT_SECRET,
    "slow": _SLOW,
    "slow async": _SLOW_ASYNC,
    "waiting": _WAITING,
    "waiting async": _WAITING_ASYNC,
}
OTHERS = {name: _HEAD + code for name, code in OTHERS.items()}

SETTINGS: dict[str, dict[str, Any]] = {
    "files": {"max_document_bytes": 10},
    "own field": {"metadata_field": "outbox"},
    "always": {"store": "always"},
    "named stream": {"stream_artifact": "speech.wav"},
    "slow": {"max_inference_seconds": 0.2},
    "slow async": {"max_inference_seconds": 0.2},
}
