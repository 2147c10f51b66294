"""What is wrong with AWS credentials, told by where botocore looked for them, with the remedy."""

import contextlib
import re
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions
from botocore.credentials import Credentials

from ...contract.errors import ConfigurationError, OutboxError, StoreUnavailableError
from ..faults import CredentialsProblem

NO_CREDENTIALS = (
    "none were found; for a model set the Baseten secrets aws_access_key_id and"
    " aws_secret_access_key, or aws_role_arn; elsewhere AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY"
)
_SSO = "the SSO login has ended, or there was none: run aws sso login (with your --profile)"
_SAID: dict[type[Exception], str] = {
    exceptions.NoCredentialsError: NO_CREDENTIALS,
    exceptions.PartialCredentialsError: "half a pair: {cred_var} is missing ({provider})",
    exceptions.ProfileNotFound: "there is no profile {profile!r} in ~/.aws/config: correct"
    " AWS_PROFILE",
    exceptions.ConfigParseError: "{path} cannot be read: correct it",
    exceptions.ConfigNotFound: "{path} cannot be read: correct it",
    exceptions.SSOError: _SSO,
    exceptions.TokenRetrievalError: _SSO,
    exceptions.NoAuthTokenError: _SSO,
    exceptions.LoginError: "the login has ended, or there was none: run aws login (with your"
    " --profile)",
    exceptions.InvalidConfigError: "{0}",
    exceptions.MissingDependencyException: "{0}",
}
_JUNK = "credential_process printed no credentials in JSON: run it by hand, and look"
_STATUS = re.compile(r"non 200 response \((\d{3})\)")
_MODULES = {"botocore.credentials", "botocore.tokens"}


def credentials_problem(error: BaseException) -> CredentialsProblem | None:
    """None where the error is of something else: the bucket, or an answer of AWS's."""
    if isinstance(error, exceptions.ClientError):
        return None
    for kind, said in _SAID.items():
        if isinstance(error, kind):
            return CredentialsProblem(said=said.format(error, **getattr(error, "kwargs", {})))
    source = _source(error)
    return None if source is None else _of_source(source, error)


@contextlib.contextmanager
def resolving() -> Iterator[None]:
    """Around what makes a client: its errors are those of settings.

    Raises ConfigurationError, and StoreUnavailableError where a token service does not answer.
    """
    try:
        yield
    except OutboxError:
        raise
    except Exception as error:
        problem = credentials_problem(error)
        if problem is None:
            said = f"the SDK makes no client of these settings ({type(error).__name__})"
            raise ConfigurationError("root", said) from error
        kind = StoreUnavailableError if problem.may_pass else ConfigurationError
        # Without its cause, which may quote what a credential_process printed.
        raise kind("AWS credentials", problem.said) from None


def check_credentials(credentials: Any) -> None:
    """Of a plain pair, whether it can be sent at all. Raises ConfigurationError, without it."""
    if type(credentials) is Credentials:
        check_texts(credentials.access_key, credentials.secret_key, credentials.token)


def check_texts(*texts: str | None) -> None:
    """Raises ConfigurationError where one of them has what no header takes."""
    if not all(text.isascii() and text.isprintable() and " " not in text for text in texts if text):
        raise ConfigurationError(
            "AWS credentials", "hold a space, a line break or a letter that no key has"
        )


def _source(error: BaseException) -> str | None:
    """botocore's name for the place it was looking at; None where it did no such thing.

    The stack tells it: what comes from there may be any error, that of a file or of JSON too.
    """
    source = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") in _MODULES:
            source = getattr(frame.f_locals.get("self"), "METHOD", None) or source or ""
    return source


def _of_source(source: str, error: BaseException) -> CredentialsProblem:
    details: dict[str, Any] = {**getattr(error, "kwargs", {})}
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        host = urlsplit(str(details.get("endpoint_url", ""))).netloc.rpartition("@")[2]
        said = f"the token service {f'at {host} ' if host else ''}does not answer"
        return CredentialsProblem(said=f"{said}: check the network", may_pass=True)
    match source, error:
        case "custom-process", _:
            said = _of_process(error, details)
        case "container-role" | "iam-role", exceptions.BotoCoreError():
            return _of_machine(source, error)
        case "container-role", ValueError():
            said = "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that may not give any"
        case _, exceptions.NoRegionError():
            said = "the token service needs a region: set AWS_REGION"
        case _, OSError():
            said = f"a file of theirs cannot be read ({error.strerror}): check"
            said += " AWS_WEB_IDENTITY_TOKEN_FILE and ~/.aws"
        case _, exceptions.CredentialRetrievalError():
            said = f"{details['provider']} gives none, or does not answer: check the profile"
        case _:
            said = f"they cannot be had ({type(error).__name__}): check the profile"
    return CredentialsProblem(said=said)


def _of_process(error: BaseException, details: dict[str, Any]) -> str:
    """Never with what it printed, on stderr either."""
    if isinstance(error, OSError):
        return f"credential_process cannot be started ({error.strerror}): correct it"
    was_read = str(details.get("error_msg")).startswith(("Missing", "Unsupported"))
    if isinstance(error, exceptions.CredentialRetrievalError) and not was_read:
        return "credential_process failed: run it by hand, and look"
    return _JUNK


def _of_machine(source: str, error: BaseException) -> CredentialsProblem:
    status = _STATUS.search(str(error))
    service = f"the machine's token service ({source})"
    if status and status[1] < "500":
        return CredentialsProblem(said=f"{service} refuses (HTTP {status[1]}): check its role")
    return CredentialsProblem(said=f"{service} does not answer: check the network", may_pass=True)
