"""What can keep the stand-in from running.

LocalBasetenError
├── BucketError                  the bucket's server does not come up
├── ChainError                   truss_chains refuses the Chain it was given
├── FaultError                   no such fault, or no such probability
├── QueueVersionError            the queue's file was made by another version
├── RequirementsError            what a Truss requires cannot be installed
├── SecretsError                 the file of secrets cannot be read
├── StateDirectoryInUseError     another stand-in runs on the directory
├── TooManySecretsError          two webhook secrets are active already
├── TrussError                   truss refuses the Truss it was given
├── UnknownSecretError           no active webhook secret has this id
└── NotRunningError              the stand-in ended, or its model does not come up
"""

from pathlib import Path


class LocalBasetenError(Exception):
    """Base of them all; the message names the remedy where there is one."""


class BucketError(LocalBasetenError):
    """Ends with the server's last words."""


class ChainError(LocalBasetenError):
    """The file holds no Chain, or it breaks the rules of Chains."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path} is not a Chain that can be served: {problem}")


class FaultError(LocalBasetenError, ValueError):
    """What was asked for cannot happen."""


class QueueVersionError(LocalBasetenError):
    """What it holds is not looked at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} was made by another version: finish its requests there, or delete it"
        )


class RequirementsError(LocalBasetenError):
    """Ends with the installer's last words, which name what does not go together."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(
            f"what {path} requires cannot be installed; mend it, or run without, by --no-install:"
            f" {problem}"
        )


class SecretsError(LocalBasetenError):
    """The message quotes no value."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"the secrets in {path} cannot be read: {problem}")


class StateDirectoryInUseError(LocalBasetenError):
    """Two stand-ins would take the same requests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is in use by another stand-in: end it, or choose another")


class TooManySecretsError(LocalBasetenError):
    """One secret is rotated at a time."""

    def __init__(self) -> None:
        super().__init__("two webhook secrets are active: wait for one's end, or expire it")


class TrussError(LocalBasetenError):
    """The directory is no Truss, or its config.yaml is wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path} is not a Truss that can be served: {problem}")


class UnknownSecretError(LocalBasetenError):
    """It was never there, or has expired."""

    def __init__(self, secret_id: str) -> None:
        self.secret_id = secret_id
        super().__init__(f"no active webhook secret has the id {secret_id!r}: list them")


class NotRunningError(LocalBasetenError):
    """Ends with the tail of the stand-in's log."""
