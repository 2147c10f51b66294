"""The client of Google Cloud Storage, and who it is: a key, an OIDC token, or the default chain."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession
from requests import Response, Session
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from ...contract.errors import ConfigurationError
from ..network import (
    Place,
    check_certificates,
    check_key_log,
    check_proxy,
    check_url,
    with_scheme,
)
from ..settings import NO_OIDC
from .credentials import finding
from .errors import refuse_page
from .options import GcsOptions
from .tokens import token_request

if TYPE_CHECKING:
    from google.cloud.storage import Client

_SCOPES = ["https://www.googleapis.com/auth/devstorage.read_write"]


def connect(options: GcsOptions) -> "Client":
    """One client, for all threads. Raises ConfigurationError; no bucket is asked yet.

    It repeats nothing by itself: RetryingStore does, within one deadline.
    """
    from google.cloud.storage import Client  # noqa: PLC0415  # 0.2 seconds that readers need not pay

    # Else the SDK asks for the bucket's description behind our back, whether allowed to or not.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    identity = credentials(options)
    place_of(options, identity)
    session = AuthorizedSession(
        identity,
        refresh_timeout=options.store_read_timeout_seconds,
        auth_request=token_request(),
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=options.store_max_connections))
    session.hooks["response"] += [_forget_body, refuse_page]
    return Client(
        project="<none>",  # objects are addressed by their bucket alone
        credentials=session.credentials,
        client_options={
            "api_endpoint": endpoint(options, session.credentials),
            "universe_domain": session.credentials.universe_domain,
        },
        _http=session,
    )


def endpoint(options: GcsOptions, identity: Credentials) -> str:
    """Where the service is: the option's, an emulator's, else that of the credentials' universe.

    Raises ConfigurationError where it is no address.
    """
    setting, url = _named_endpoint(options)
    if not url:
        return f"https://storage.{identity.universe_domain}"
    universe = identity.universe_domain
    if urlsplit(url).hostname == "storage.googleapis.com" and universe != "googleapis.com":
        problem = f"is not in the universe_domain of the credentials, {universe}: unset it"
        raise ConfigurationError(setting, problem)
    return url.rstrip("/")


def place_of(options: GcsOptions, identity: Credentials) -> Place:
    """Where a client of these options asks, as google-auth and requests resolve it.

    Raises ConfigurationError where address, proxy or certificates cannot be used.
    """
    check_key_log()
    url = endpoint(options, identity)
    setting, named = _named_endpoint(options)
    if not named and identity.universe_domain != "googleapis.com":
        setting, named = "universe_domain of the credentials", url
    ca_bundle(url)
    with Session() as session:
        proxies = session.merge_environment_settings(url, {}, None, None, None)["proxies"]
    proxy_url = select_proxy(url, proxies)
    check_proxy(proxy_url)
    return Place(
        of="the bucket",
        url=url,
        setting=setting if named else None,
        proxy_url=with_scheme(proxy_url) if proxy_url else None,
    )


def ca_bundle(url: str) -> Path:
    """Whom requests trusts: a PEM file, or a directory. Raises ConfigurationError."""
    with Session() as session:
        trusted = session.merge_environment_settings(url, {}, None, None, None)["verify"]
    if trusted is True:
        return Path(DEFAULT_CA_BUNDLE_PATH)
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    setting = next((name for name in names if os.environ.get(name) == trusted), names[0])
    check_certificates(setting, Path(trusted))
    return Path(trusted)


def _named_endpoint(options: GcsOptions) -> tuple[str, str | None]:
    """The setting and its value, in the order in which Google's own client looks for one.

    Raises ConfigurationError where it is no address.
    """
    named = [(options.endpoint_setting, options.endpoint_url)]
    for variable in ("STORAGE_EMULATOR_HOST", "API_ENDPOINT_OVERRIDE"):
        named.append((variable, os.environ.get(variable)))
    for setting, url in named:
        if url:
            check_url(setting, url)
            return setting, url
    return options.endpoint_setting, None


def _forget_body(response: Response, **_: object) -> None:
    """The SDK keeps an answer while it reads the next part: the part that was sent may go."""
    if not response.is_redirect:
        response.request.body = None


def credentials(options: GcsOptions) -> Credentials:
    """Raises ConfigurationError where there are none."""
    if options.service_account is not None:
        return _of_key(options.service_account)
    if options.gcp_workload_identity_provider is not None:
        return _of_workload(options)
    # No token may travel in clear text; only emulators, which want none, speak http.
    if (_named_endpoint(options)[1] or "").startswith("http://"):
        return AnonymousCredentials()
    with finding():
        return google.auth.default(scopes=_SCOPES)[0]


def _of_key(text: str) -> Credentials:
    from google.oauth2.service_account import Credentials as KeyCredentials  # noqa: PLC0415

    try:
        return KeyCredentials.from_service_account_info(json.loads(text), scopes=_SCOPES)
    except (ValueError, TypeError, AttributeError):
        # Without its cause, which may quote the key.
        raise ConfigurationError(
            "gcp_service_account", "is not a service account's key: give the whole JSON file"
        ) from None


def _of_workload(options: GcsOptions) -> Credentials:
    from google.auth.identity_pool import Credentials as WorkloadCredentials  # noqa: PLC0415

    if options.oidc_token_file is None:
        raise ConfigurationError("gcp_workload_identity_provider", NO_OIDC)
    account = options.gcp_service_account_email
    impersonation = f"/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    return WorkloadCredentials(
        audience=f"//iam.googleapis.com/{options.gcp_workload_identity_provider}",
        subject_token_type="urn:ietf:params:oauth:token-type:jwt",  # noqa: S106
        token_url=f"{options.sts_url}/v1/token",
        credential_source={"file": str(options.oidc_token_file)},
        service_account_impersonation_url=(
            options.iam_credentials_url + impersonation if account else None
        ),
        scopes=_SCOPES,
    )
