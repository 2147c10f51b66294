"""Trusses of other people, as small texts: each config.yaml in another shape."""

from pathlib import Path

MODEL = '''\
"""A model."""

import os


class Model:
    def predict(self, model_input):
        return {"names": sorted(os.environ), "input": model_input}
'''

NO_REQUIREMENTS = """\
model_name: plain
resources:
  cpu: '1'
"""

EMPTY_VALUES = """\
model_metadata: {}
model_name: "empty"   # as older versions of `truss init` wrote it
requirements: []
secrets: {}
system_packages: []
"""

COMMENTS = """\
# Our speech model.
model_name: "speech"   # quotes stay

requirements:   # pinned by hand
    - numpy==2.3.5   # the newest
    # torch comes with the image
    - 'pydantic>=2.11'

secrets:
    hf_access_token: null
    # another: null

resources: {cpu: "2", memory: 4Gi}   # flow style here
model_metadata:
    example_model_input: {"text": "hello"}
    tags:
        - speech

# The end.
"""

ANCHORS = """\
model_name: anchors
environment_variables: &shared
  REGION: eu
secrets:
  hf: &nothing null
build:
  arguments:
    <<: *shared
model_metadata:
  repeated: *nothing
requirements:
- numpy
runtime:
  predict_concurrency: 4
"""

INDENTLESS = """\
---
model_name: indentless
requirements:
- numpy==2.3.5
- git+https://example.com/library.git#egg=pydantic
- --extra-index-url https://example.com/simple
model_metadata:
  outbox:
    root: s3://old/place  # to be changed
    inference: {size: 3}
"""

FLOW = """\
{model_name: flow, requirements: [numpy, "boto3>=1.40"],
 secrets: {hf: null},  # one
 resources: {cpu: "1"}}
"""

WINDOWS = COMMENTS.replace("\n", "\r\n")

REQUIREMENTS_FILE = """\
model_name: file
requirements_file: ./requirements.txt
secrets:
  aws_access_key_id: null
"""

PYPROJECT = """\
model_name: project
requirements_file: ./pyproject.toml
python_version: py312
"""

EXISTING_PACKAGES = """\
model_name: packages
model_metadata: null   # nothing yet
"""

OTHER_FOLDERS = """\
model_name: folders
bundled_packages_dir: src/vendored
model_module_dir: src/code
model_class_filename: serve.py
model_class_name: Speech
"""

NO_LINE_END = "model_name: short"

SHAPES = {
    name.lower(): text
    for name, text in dict(globals()).items()
    if name.isupper() and isinstance(text, str) and name not in {"MODEL"}
}

REQUIREMENTS_TXT = "# ours\r\nnumpy==2.3.5  # pinned\r\nboto3==1.44.8  # too"
PYPROJECT_TOML = """\
[project]
name = "project"
version = "1"
dependencies = [
    "numpy==2.3.5",  # pinned
]

[tool.other]
kept = 'as it is'   # too
"""


def make_truss(directory: Path, config: str, *, model: str = MODEL) -> Path:
    """A Truss with this config.yaml, and all that the shapes name beside it."""
    folder = directory / "truss"
    for name in ("model/model.py", "src/code/serve.py"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(model)
    serve = folder / "src" / "code" / "serve.py"
    serve.write_text(serve.read_text().replace("class Model", "class Speech"))
    (folder / "packages" / "own").mkdir(parents=True)
    (folder / "packages" / "own" / "__init__.py").write_text("KEPT = True\n")
    (folder / "requirements.txt").write_bytes(REQUIREMENTS_TXT.encode())
    (folder / "pyproject.toml").write_text(PYPROJECT_TOML)
    (folder / "config.yaml").write_bytes(config.encode())
    return folder
