"""A new Truss that stores its results: what `truss init` makes, with the library in it."""

from pathlib import Path

from truss_outbox.contract.errors import ConfigurationError, InvalidInputError
from truss_outbox.contract.root import Root

from ..errors import TargetError
from . import yaml_edit
from .adoption import Adoption
from .plan import apply, plan_adoption

EXAMPLE_ROOT = "s3://your-bucket/outbox"

_CONFIG = """\
python_version: py313
resources:
  cpu: "1"
  memory: 2Gi
runtime:
  predict_concurrency: 1
"""

_MODEL = '''\
"""Counts the words of a text: put your own inference in its place."""

from collections import Counter

from truss_outbox import Outputs, stored


@stored
class Model:
    def __init__(self, **kwargs):
        self._ignored = set()

    def load(self):
        self._ignored = {"a", "an", "the"}

    def predict(self, model_input):
        counts = Counter(model_input["text"].lower().split())
        for word in self._ignored:
            del counts[word]
        table = "".join(f"{word}\\t{count}\\n" for word, count in counts.most_common())
        # A caller who asks for no storing is answered with the result alone.
        return Outputs(result={"words": counts.total()}, files={"words.tsv": table.encode()})
'''


def new_truss(directory: Path, *, root: str | None = None) -> Adoption:
    """Make the Truss; the model is called like its folder.

    Without a root it has `EXAMPLE_ROOT`. Raises InvalidInputError where the folder is not empty,
    ConfigurationError where the root is wrong, TargetError where nothing can be written.
    """
    Root.parse(root or EXAMPLE_ROOT)
    name = directory.resolve().name
    if not name:
        raise ConfigurationError("NAME", "must be the name of a folder")
    try:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise InvalidInputError(
                "NAME",
                f"{directory} is there, and not empty; `outbox add`"
                " puts the library into a Truss that is there",
            )
        model = directory / "model"
        model.mkdir(parents=True)
        (model / "__init__.py").touch()
        (model / "model.py").write_text(_MODEL, encoding="utf-8")
        first_lines = "".join(f"{line}\n" for line in yaml_edit.block({"model_name": name}))
        (directory / "config.yaml").write_text(first_lines + _CONFIG, encoding="utf-8")
    except OSError as error:
        raise TargetError(f"{error.filename}: {error.strerror}; name another folder") from error
    adoption = plan_adoption(directory, settings={"root": root or EXAMPLE_ROOT})
    apply(adoption)
    return adoption
