"""Text files of a Truss, with the line ends that they have."""

import shutil
from pathlib import Path

from truss_outbox.contract.errors import ConfigurationError

from ..local_files import temporary, write_new


def read_text(path: Path, setting: str) -> str:
    """Raises ConfigurationError, which names the setting that the file belongs to."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigurationError(setting, f"there is no {path}") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(setting, f"{path} cannot be read as text in UTF-8") from error


def write_text(path: Path, text: str) -> None:
    """In place of a file that is there, whose rights it keeps; links stay. Raises OSError."""
    target = path.resolve()
    with temporary(target) as part:
        write_new(part, text.encode("utf-8"))
        shutil.copymode(target, part)
        part.replace(target)
