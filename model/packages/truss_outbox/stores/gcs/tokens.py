"""How the services are asked that give tokens for Google Cloud: the model asks them, and readers.

google-auth takes what they answer for a refusal, also where it is a fault that passes; some of
its credentials do not even keep the status.
"""

from google.auth.transport.requests import Request
from requests import Response, Session

from ...retrying import is_transient


def token_request() -> Request:
    """What credentials are refreshed with; of a fault that passes it raises TransportError."""
    session = Session()
    session.hooks["response"].append(_raise_for_fault)
    return Request(session)


def _raise_for_fault(response: Response, **_: object) -> None:
    if is_transient(response.status_code):
        response.close()
        response.raise_for_status()
