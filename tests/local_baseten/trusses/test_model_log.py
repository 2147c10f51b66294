"""What a model's author reads on the terminal."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from local_baseten.logs import LineFormatter
from local_baseten.trusses import launcher
from local_baseten.trusses.layout import TrussLayout
from local_baseten.trusses.model_log import ModelLog

BEGIN = "Traceback (most recent call last):"
IN_PREDICT = """Traceback (most recent call last):
  File "{app}/model/model.py", line 7, in predict
    return {{"mean": score(values)}}
                   ^^^^^^^^^^^^^
  File "{app}/packages/shared.py", line 2, in score
    return numpy.mean(values)
  File "/env/lib/python3.13/site-packages/numpy/core.py", line 40, in mean
    raise ValueError("empty")
ValueError: empty"""
REFUSED = """Traceback (most recent call last):
  File "{app}/model/model.py", line 9, in predict
    raise fastapi.HTTPException(422, "values: must be a list")
fastapi.exceptions.HTTPException: 422: values: must be a list"""
BUSY = REFUSED.replace("422: values: must be a list", "503: come again")
IN_LOADING = """Traceback (most recent call last):
  File "{app}/model_wrapper.py", line 464, in load
    self._load_impl()
  File "<frozen importlib._bootstrap>", line 241, in _call_with_frames_removed
  File "{app}/model/model.py", line 1, in <module>
    import {module}
ModuleNotFoundError: No module named '{module}'"""
SYNTAX = """Traceback (most recent call last):
  File "{app}/model_wrapper.py", line 525, in _load_impl
    spec.loader.exec_module(module)
  File "{app}/model/model.py", line 3
    def predict(self, model_input)
                                  ^
SyntaxError: expected ':'"""
TRUSS_OWN = """Traceback (most recent call last):
  File "{app}/model_wrapper.py", line 540, in _load_impl
    model_class = getattr(module, "Model")
AttributeError: module 'model.model' has no attribute 'Model'"""


@pytest.fixture
def truss(tmp_path: Path, monkeypatch) -> TrussLayout:
    """A laid-out Truss, whose author works in the folder above it."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "mine"
    for name in ("model/model.py", "model/sibling.py", "libraries/shared.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    return TrussLayout(
        directory=tmp_path / "state" / "truss",
        environment={},
        model_name="mine",
        changed={},
        requirements={},
        python_version="3.13",
        config=source / "config.yaml",
        requirements_file=source / "config.yaml",
        model_file=source / "model" / "model.py",
        folders={"model": [source / "model"], "packages": [source / "libraries"], "data": []},
    )


def as_truss_writes(fields: dict[str, Any], app: Path) -> str:
    fields = {"asctime": "now", "levelname": "ERROR", "request_id": "r", **fields}
    if "exc_info" in fields:
        fields["exc_info"] = fields["exc_info"].format(app=app)
    return json.dumps(fields)


@pytest.fixture
def shown(truss, caplog):
    """The lines on the terminal without their times, of what a server says."""
    caplog.set_level(logging.INFO, logger="model")

    def shown(*said: str | dict[str, Any], **options: bool) -> list[str]:
        log = ModelLog(layout=truss, **options)
        for one in said:
            log.repeat(one if isinstance(one, str) else as_truss_writes(one, truss.directory))
        lines = "\n".join(map(LineFormatter().format, caplog.records)).splitlines()
        return [line.partition(" ")[2] if line[0].isdigit() else line.strip() for line in lines]

    return shown


HANDLED = {
    "levelname": "INFO",
    "message": "Handled request: POST /v1/models/model:predict HTTP/1.1 500",
}
UNWORDED = "Internal Server Error (in model/chainlet)."


def test_an_exception_is_its_name_and_the_authors_own_lines(shown):
    assert shown({"message": UNWORDED, "exc_info": IN_PREDICT}, HANDLED) == [
        "ERROR   model: ValueError: empty  request_id=r",
        "mine/libraries/shared.py:2 in score: return numpy.mean(values)",
        'mine/model/model.py:7 in predict: return {"mean": score(values)}',
        'inside numpy/core.py:40 in mean: raise ValueError("empty")',
    ]


def test_the_whole_traceback_is_there_for_who_asks(shown):
    lines = shown({"message": UNWORDED, "exc_info": IN_PREDICT}, whole_tracebacks=True)
    assert lines[:2] == ["ERROR   model: ValueError: empty  request_id=r", BEGIN]
    assert lines[-1] == "ValueError: empty"


def test_a_refused_request_is_one_line_with_its_place(shown):
    said = {"message": "Model raised HTTPException", "exc_info": REFUSED}
    (line,) = shown(said, HANDLED)
    assert line.startswith("WARNING model: refused with 422: values: must be a list  request_id=r")
    assert line.endswith("  at=mine/model/model.py:9 in predict")


def test_a_failure_that_our_library_has_told_is_not_told_again_by_truss(shown):
    told = {"levelname": "WARNING", "message": "the request failed: no", "failed_request_id": "r"}
    said = {"message": "Model raised HTTPException", "exc_info": BUSY}
    lines = shown(told | {"code": "INVALID_INPUT"}, said, HANDLED)
    assert lines == ["WARNING model: the request failed: no  request_id=r  code=INVALID_INPUT"]


def test_each_attempt_at_a_request_is_told(shown):
    said = {"message": "Model raised HTTPException", "exc_info": BUSY}
    assert len(shown(said, HANDLED, said, HANDLED)) == 4


def test_that_a_request_was_handled_is_for_its_caller_to_say(shown):
    own = {"levelname": "INFO", "message": "Handled request: mine"}
    assert shown(HANDLED, own, HANDLED) == ["INFO    model: Handled request: mine  request_id=r"]


def test_what_the_author_logs_before_an_error_is_kept(shown):
    own = {"levelname": "WARNING", "message": "odd", "digest": "4f0c", "pages": [1, 2]}
    said = {"message": "Model raised HTTPException", "exc_info": REFUSED}
    assert shown(own, said)[0] == "WARNING model: odd  request_id=r  digest=4f0c  pages=[1, 2]"


def test_a_long_value_beside_a_message_is_cut(shown):
    (line,) = shown({"message": "long", "text": "x" * 1_000})
    assert line.endswith("xxx…")
    assert len(line) < 300


def test_what_each_start_says_is_left_out_and_how_long_the_load_took_is_not(shown):
    loading = {"levelname": "INFO", "message": "Loading truss model from file."}
    loaded = {"levelname": "INFO", "message": "Completed model.load() execution in 7 ms"}
    assert shown(loading, loaded) == [
        "INFO    model: Completed model.load() execution in 7 ms  request_id=r"
    ]


def test_a_start_that_is_repeated_says_only_what_matters(shown):
    said = [{"levelname": level, "message": level} for level in ("INFO", "WARNING")]
    assert shown(*said, is_quiet=True) == ["WARNING model: WARNING  request_id=r"]


def test_a_bare_traceback_is_one_event(shown):
    bare = IN_PREDICT.format(app="/elsewhere").splitlines()
    assert shown("before", *bare, "after") == [
        "INFO    model: before",
        "ERROR   model: ValueError: empty",
        '/env/lib/python3.13/site-packages/numpy/core.py:40 in mean: raise ValueError("empty")',
        "INFO    model: after",
    ]


def test_where_a_long_request_is_stands_below_the_message(shown, truss):
    stack = f'  File "{truss.directory}/model/model.py", line 4, in predict\n    while True:\n'
    said = {"levelname": "INFO", "message": "a request has run for 10 s", "stack": stack}
    assert shown(said)[1:] == ["mine/model/model.py:4 in predict: while True:"]


def test_a_server_that_cannot_be_imported_is_told_as_one_that_does_not_come_up(shown, truss):
    bare = [BEGIN, f'  File "{launcher.__file__}", line 195, in _serve', "ImportError: no fastapi"]
    assert shown(*bare) == []
    log = ModelLog(layout=truss)
    for line in bare:
        log.repeat(line)
    assert log.why_it_ended(1).splitlines()[0] == "ImportError: no fastapi"


def ending(
    truss: TrussLayout, *said: str, exit_code: int | None = 1, module: str = ""
) -> list[str]:
    log = ModelLog(layout=truss)
    for one in said:
        trace = one.format(app=truss.directory, module=module)
        fields = {"message": "Exception while loading model", "exc_info": trace}
        log.repeat(json.dumps({"levelname": "ERROR", **fields}))
    return log.why_it_ended(exit_code).splitlines()


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("cv2.dnn", "add opencv-python-headless to the requirements in mine/config.yaml"),
        ("pandas", "add pandas to the requirements in mine/config.yaml"),
        ("sibling", "sibling lies beside the model: from model import sibling"),
    ],
)
def test_a_missing_module_is_named_with_what_brings_it_and_where(truss, module, remedy):
    lines = ending(truss, IN_LOADING, module=module)
    assert lines[0] == f"ModuleNotFoundError: No module named '{module}'"
    assert lines[1] == f"mine/model/model.py:1: import {module}"
    assert lines[2].endswith(remedy)


def test_a_syntax_error_is_shown_where_it_is(truss):
    assert ending(truss, SYNTAX) == [
        "SyntaxError: expected ':'",
        "mine/model/model.py:3: def predict(self, model_input)",
    ]


def test_an_error_of_truss_itself_names_the_models_file(truss):
    assert ending(truss, TRUSS_OWN)[1:] == ["in mine/model/model.py"]


def test_a_model_file_that_is_not_there_is_named(truss):
    truss.model_file.unlink()
    (first, _) = ending(truss, "RuntimeError: No module class file found")
    assert first == "mine/model/model.py does not exist"


@pytest.mark.parametrize(
    ("exit_code", "said"),
    [(-11, "ended by SIGSEGV"), (3, "its server ended with exit code 3")],
)
def test_a_server_that_said_nothing_is_known_by_its_end(truss, exit_code, said):
    assert ending(truss, exit_code=exit_code) == [said]
