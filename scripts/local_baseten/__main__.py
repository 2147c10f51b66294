"""`python -m local_baseten SOURCE --state-directory DIRECTORY`: `serve` as a process.

The API key is the environment's BASETEN_API_KEY; without one it is that of the
state directory.
"""

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from .errors import LocalBasetenError
from .serve import serve
from .settings import ServiceSettings
from .trusses.preparing import ModelSettings


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        serve(
            arguments.source,
            host=arguments.host,
            port=arguments.port,
            state_directory=arguments.state_directory,
            bucket_directory=arguments.bucket,
            api_key=os.environ.get("BASETEN_API_KEY") or None,
            settings=ServiceSettings(**arguments.settings),
            model=ModelSettings(install=arguments.install),
        )
    except (LocalBasetenError, OSError) as error:
        sys.exit(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_baseten")
    parser.add_argument("source", type=Path)
    parser.add_argument("--state-directory", type=Path, required=True)
    parser.add_argument("--bucket", type=Path, metavar="DIRECTORY")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--settings", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--install", action="store_true", help="what the Truss requires")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when its input does")
    return parser


def _end_with_stdin() -> None:
    os.read(0, 1)  # never written: it returns at the end of file
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
