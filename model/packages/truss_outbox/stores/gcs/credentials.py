"""What is wrong with Google's credentials, told by where google-auth got them, with the remedy."""

import contextlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError

from ...contract.errors import ConfigurationError, OutboxError
from ..faults import CredentialsProblem

_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_LOGIN = "run gcloud auth application-default login"
_NONE = (
    "none were found, and no metadata server answers, as on Google's own machines: set the Baseten"
    " secret gcp_service_account, or gcp_workload_identity_provider; on your own machine"
    f" {_LOGIN}, or set {_VARIABLE} to a key's file"
)
_REFUSED = {
    "google.auth.compute_engine": "the metadata server gives no token: has this machine a service"
    " account?",
    "google.auth.impersonated_credentials": "the account to act as gives no token: check"
    " gcp_service_account_email, and who may act as it",
    "google.auth.external_account": "Google's token service gives none for this machine's own"
    " token: check gcp_workload_identity_provider and what it trusts, gcp_service_account_email,"
    " and that the token's file is there",
    "google.oauth2.service_account": "Google does not take the service account's key, which may be"
    " deleted or disabled: make a new one for gcp_service_account or the key's file, and check"
    " this machine's clock",
    "google.oauth2.credentials": f"the gcloud login has ended or was revoked: {_LOGIN}",
}
"""By the module that asked for a token; the first that is on the stack."""


def credentials_problem(error: BaseException) -> CredentialsProblem | None:
    """None where the error is of something else than getting a token."""
    if not isinstance(error, GoogleAuthError):
        return None
    if isinstance(error, TransportError):
        # google-auth's word for no answer, and for a fault of who was asked.
        said = "the token service does not answer: check the network"
        return CredentialsProblem(said=said, may_pass=True)
    modules = {
        str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)
    }
    found = (
        said
        for name, said in _REFUSED.items()
        if any(module.startswith(name) for module in modules)
    )
    return CredentialsProblem(
        said=next(found, f"Google gives no token for them ({type(error).__name__})"),
        may_pass=error.retryable,
    )


@contextlib.contextmanager
def finding() -> Iterator[None]:
    """Around the search of google-auth's default chain. Raises ConfigurationError."""
    try:
        yield
    except OutboxError:
        raise
    except DefaultCredentialsError as error:
        raise _not_found(error) from None
    except GoogleAuthError as error:
        # Some credentials get a token at once, to ask for their project.
        problem = credentials_problem(error)
        said = problem.said if problem else type(error).__name__
        raise ConfigurationError("Google credentials", said) from None
    except Exception as error:  # noqa: BLE001  # google-auth's checks are few: a list is an AttributeError
        # Without its cause, which may quote what the file has.
        raise _not_found(error) from None


def _not_found(error: Exception) -> ConfigurationError:
    file = os.environ.get(_VARIABLE)
    if file and not Path(file).is_file():
        return ConfigurationError(_VARIABLE, "names no file: set it to a key's file, or unset it")
    if file:
        kind = "of no type that is known" if "valid type" in str(error) else "incomplete or damaged"
        return ConfigurationError(
            _VARIABLE, f"names a file that is {kind}: give the whole JSON file of a key"
        )
    if "not found" in str(error):
        return ConfigurationError("Google credentials", _NONE)
    return ConfigurationError(
        "Google credentials", f"what gcloud stored of a login cannot be read: {_LOGIN}"
    )
