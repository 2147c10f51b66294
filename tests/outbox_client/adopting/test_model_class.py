"""What model.py lacks, read from its source: at most two lines, each with its place."""

import pytest

from outbox_client.adopting.model_class import read_model_class
from truss_outbox.contract.errors import ConfigurationError

PREDICT = "    def predict(self, model_input):\n        return model_input\n"


@pytest.fixture
def read(tmp_path):
    def read(source, class_name="Model"):
        path = tmp_path / "model.py"
        path.write_text(source)
        return read_model_class(path, class_name, name="model/model.py")

    return read


def with_lines(source, model):
    """The source as its author has it who adds what is missing, line by line."""
    lines = source.splitlines()
    for line in model.missing_lines:
        lines.insert(line.number - 1, line.text)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"class Model:\n{PREDICT}", "from truss_outbox import stored\n@stored\nclass Model:"),
        (
            f'"""Text."""\n\nclass Model:\n{PREDICT}',
            '"""Text."""\nfrom truss_outbox import stored\n\n@stored\nclass Model:',
        ),
        (
            f"import os\nfrom a import (\n    b,\n)\n\n\n@other\nclass Model:\n{PREDICT}",
            "    b,\n)\nfrom truss_outbox import stored\n\n\n@stored\n@other\nclass Model:",
        ),
        (
            f"from truss_outbox import Outputs, stored\nclass Model:\n{PREDICT}",
            "from truss_outbox import Outputs, stored\n@stored\nclass Model:",
        ),
    ],
)
def test_the_lines_go_where_they_are_said_to_go(read, source, expected):
    model = read(source)

    assert expected in with_lines(source, model)
    assert read(with_lines(source, model)).missing_lines == ()


@pytest.mark.parametrize(
    "source",
    [
        f"import truss_outbox\n@truss_outbox.stored\nclass Model:\n{PREDICT}",
        f"from truss_outbox import stored\n@stored()\nclass Model:\n{PREDICT}",
        f"from truss_outbox import Outbox\nclass Model:\n{PREDICT}",
    ],
)
def test_a_class_that_stores_already_needs_no_line(read, source):
    assert read(source).missing_lines == ()


@pytest.mark.parametrize(
    "body",
    [
        "    async def predict(self, model_input, request):\n        yield 1\n",
        "    pass\n\nclass Model(Base):\n    def load(self): pass\n",
    ],
)
def test_predict_may_be_of_any_kind_or_inherited(read, body):
    source = f"class Base:\n{PREDICT}\nclass Model:\n{body}"
    assert len(read(source).missing_lines) == 2
    assert (
        len(read(f"import other\nclass Model(other.Base):\n{PREDICT[:0]}    a = 1\n").missing_lines)
        == 2
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class Model:\n    async def websocket(self, websocket): pass\n", "serves a websocket"),
        ("class Model:\n    def chat_completions(self, body): pass\n", "has no predict"),
        ("class Model(object):\n    pass\n", "has no predict"),
        ("class Other:\n    pass\n", "has no class Model"),
        ("class Model:\n    def (\n", "line 2: "),
        ("a = '\0'\n", "model/model.py: "),
    ],
)
def test_what_hinders_is_told(read, source, reason):
    with pytest.raises(ConfigurationError, match=reason):
        read(source)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def predict(self, model_input):\n        return model_input['metadata']", 3),
        ("def predict(self, inputs):\n        return inputs.get('metadata', {})", 3),
        ("def predict(self, inputs):\n        return 'metadata' in inputs", 3),
        ("def preprocess(self, r):\n        return r.metadata\n    def predict(self, r): pass", 3),
        ("def predict(self, request: Request):\n        pass", 6),
        ("def predict(self, request: Elsewhere):\n        pass", None),
        ("def predict(self, inputs):\n        return self.metadata['metadata']", None),
        ("def predict(self):\n        pass", None),
    ],
)
def test_a_field_metadata_of_its_own_is_found(read, source, line):
    request = "class Request(BaseModel):\n    text: str\n    metadata: dict\n"
    lines = source.count("\n") + 2
    found = read(f"class Model:\n    {source}\n{request}").metadata_line
    assert found == (line if line is None or line < 6 else lines + 3)
