"""Models of every shape that Truss takes, as their authors would write them, without Outbox."""

from dataclasses import dataclass, field
from typing import Any

HEAD = """
import asyncio, json, threading
from collections.abc import AsyncIterator, Iterator
import fastapi, numpy, pydantic
from fastapi.responses import JSONResponse, StreamingResponse

{decorator}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """`stores` is the result that a request with metadata leaves, or a part of the 422's words.

    `body` is what such a request sends beside its metadata; `sends` are bodies without.
    """

    code: str
    stores: Any
    body: dict[str, Any] = field(default_factory=lambda: {"text": "a b"})
    sends: tuple[bytes, ...] = (b'{"text": "a b"}', b'{"text": 5}', b"[1, 2]", b"no json", b"")
    is_refused: bool = False
    path: str = "/v1/models/model:predict"


TYPED = (*Shape.__dataclass_fields__["sends"].default, b'{"text": "a", "times": "x"}', b"{}")

SHAPES = {
    "sync": Shape(
        code="""
class Model:
    def predict(self, model_input):
        return {"said": model_input["text"].upper()}
""",
        stores={"said": "A B"},
    ),
    "async": Shape(
        code="""
class Model:
    async def predict(self, model_input):
        await asyncio.sleep(0)
        return [model_input["text"], None, 1.5]
""",
        stores=["a b", None, 1.5],
    ),
    "with the request": Shape(
        code="""
class Model:
    def predict(self, model_input, request: fastapi.Request):
        return {"path": request.url.path, "method": request.method, **model_input}
""",
        stores={"path": "/v1/models/model:predict", "method": "POST", "text": "a b"},
    ),
    "async with the request": Shape(
        code="""
class Model:
    async def predict(self, model_input, request: fastapi.Request):
        return {"method": request.method, "keys": sorted(model_input)}
""",
        stores={"method": "POST", "keys": ["text"]},
    ),
    "the request alone": Shape(
        code="""
class Model:
    async def predict(self, request: fastapi.Request):
        return await request.json()
""",
        stores={"text": "a b"},
    ),
    "nothing at all": Shape(
        code="""
class Model:
    def predict(self):
        return "constant"
""",
        stores="constant",
    ),
    "generator of text": Shape(
        code="""
class Model:
    def predict(self, model_input):
        for word in model_input["text"].split():
            yield word + "\\n"
""",
        stores={"artifact": "stream.txt"},
    ),
    "generator of bytes": Shape(
        code="""
class Model:
    def predict(self, model_input, request: fastapi.Request) -> Iterator[bytes]:
        yield b"\\xff"
        yield model_input["text"].encode()
""",
        stores={"artifact": "stream.bin"},
    ),
    "async generator": Shape(
        code="""
class Model:
    async def predict(self, model_input) -> AsyncIterator[str]:
        for word in ["one", "two"]:
            await asyncio.sleep(0)
            yield word
""",
        stores={"artifact": "stream.txt"},
    ),
    "a function that returns a generator": Shape(
        code="""
class Model:
    def predict(self, model_input):
        return (part for part in model_input["text"])
""",
        stores={"artifact": "stream.txt"},
    ),
    "a Response": Shape(
        code="""
class Model:
    def predict(self, model_input):
        return JSONResponse({"own": True}, status_code=202, headers={"x-own": "1"})
""",
        stores="returned a JSONResponse, which cannot be stored",
        is_refused=True,
    ),
    "a StreamingResponse": Shape(
        code="""
class Model:
    def predict(self, model_input):
        return StreamingResponse(iter(["a", "b"]), media_type="text/event-stream")
""",
        stores="returned a StreamingResponse, which cannot be stored",
        is_refused=True,
    ),
    "three steps": Shape(
        code="""
class Model:
    def preprocess(self, model_input):
        return model_input["text"].split()

    def predict(self, words):
        return len(words)

    def postprocess(self, count):
        return {"words": count}
""",
        stores={"words": 2},
    ),
    "three async steps with the request": Shape(
        code="""
class Model:
    async def preprocess(self, model_input, request: fastapi.Request):
        request.state.seen = sorted(model_input)
        return model_input["text"]

    async def predict(self, text, request: fastapi.Request):
        return text + "!"

    async def postprocess(self, text, request: fastapi.Request):
        return {"said": text, "seen": request.state.seen}
""",
        stores={"said": "a b!", "seen": ["text"]},
    ),
    "preprocess alone": Shape(
        code="""
class Model:
    def preprocess(self, model_input):
        return {**model_input, "more": 1}

    def predict(self, model_input):
        return model_input
""",
        stores={"text": "a b", "more": 1},
    ),
    "typed": Shape(
        code="""
class Input(pydantic.BaseModel):
    text: str
    times: int = 2

class Output(pydantic.BaseModel):
    said: str

class Model:
    def predict(self, model_input: Input) -> Output:
        return Output(said=model_input.text * model_input.times)
""",
        stores={"said": "a ba b"},
        sends=TYPED,
    ),
    "typed and strict, with preprocess": Shape(
        code="""
class Input(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    text: str
    times: int = 2

class Model:
    async def preprocess(self, model_input: Input) -> Input:
        return model_input

    def predict(self, model_input):
        return model_input.text * model_input.times

    def postprocess(self, text) -> dict:
        return {"said": text}
""",
        stores={"said": "a ba b"},
        sends=TYPED,
    ),
    "derived, with super both ways": Shape(
        code="""
class Base:
    def __init__(self, **given):
        self.config = given["config"]

    def predict(self, model_input):
        return {"said": model_input["text"]}

class Model(Base):
    def __init__(self, **given):
        super(Model, self).__init__(**given)
        self.secrets = given["secrets"]

    def predict(self, model_input):
        return super().predict(model_input) | {"name": self.config["model_name"]}
""",
        stores={"said": "a b", "name": "shape"},
    ),
    "derived from a decorated one": Shape(
        code="""
{decorator}
class Base:
    def load(self):
        self.loaded = True

    def predict(self, model_input):
        return {"said": model_input["text"]}

class Model(Base):
    def predict(self, model_input):
        return super().predict(model_input) | {"loaded": self.loaded}
""",
        stores={"said": "a b", "loaded": True},
    ),
    "decorated twice": Shape(
        code="""
{decorator}
class Base:
    def predict(self, model_input):
        return model_input["text"]

{decorator}
class Model(Base):
    def __init__(self, **given):
        self.given = sorted(given)
""",
        stores="a b",
    ),
    "some of what Truss gives": Shape(
        code="""
class Model:
    def __init__(self, config, data_dir):
        self.name = config["model_name"]
        self.directory = data_dir

    def load(self):
        self.warm = self.predict({"text": "warm"})  # as it was written, not as Truss calls it

    def predict(self, model_input):
        return {"name": self.name, "loaded": hasattr(self, "warm"), "said": model_input["text"]}
""",
        stores={"name": "shape", "loaded": True, "said": "a b"},
    ),
    "health and environment": Shape(
        code="""
class Model:
    def __init__(self, environment=None, secrets=None):
        self.environment = environment

    def setup_environment(self, environment):
        self.environment = environment

    def is_healthy(self):
        return True

    def predict(self, model_input):
        return {"environment": self.environment}
""",
        stores={"environment": None},
    ),
    "errors of its own": Shape(
        code="""
class Model:
    def predict(self, model_input):
        if not isinstance(model_input, dict):
            raise fastapi.HTTPException(418, "a teapot")
        return {"half": 1 / (len(model_input["text"]) - 3)}
""",
        body={"text": "abcde"},
        stores={"half": 0.5},
        sends=(b'{"text": "abc"}', b'{"text": 5}', b"[]"),
    ),
    "numpy, which Truss encodes": Shape(
        code="""
class Model:
    def predict(self, model_input):
        return {"scores": numpy.arange(3)}
""",
        stores="the result.scores is a numpy.ndarray, which JSON has not: use .tolist()",
        is_refused=True,
    ),
    "an entry point of OpenAI's": Shape(
        code="""
class Model:
    def chat_completions(self, model_input):
        return self.predict({"text": "chat"})

    def predict(self, model_input):
        return {"said": model_input["text"]}
""",
        stores={"said": "a b"},
        path="/v1/chat/completions",
    ),
    "a model that looks for its metadata": Shape(
        code="""
class Model:
    def predict(self, model_input):
        yield "first"
        if "metadata" in model_input:
            raise RuntimeError("the model sees its metadata")
""",
        stores={"artifact": "stream.txt"},
    ),
}


def source(shape: Shape, *, is_decorated: bool) -> str:
    """`model.py` of the shape: what its author wrote, or that with two lines more."""
    head = HEAD.replace("{decorator}", "from truss_outbox import stored" if is_decorated else "")
    again = "@stored\n" if is_decorated else ""
    code = shape.code.replace("{decorator}\n", again)
    if is_decorated and again not in code:
        code = code.replace("class Model", "@stored\nclass Model")
    return head + code
