"""What S3 answers, in this project's errors: the cause, and the right or setting to mend."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from ...contract.errors import (
    INTERRUPTIONS,
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    NotImplementedByStoreError,
    OutboxError,
    StoreError,
    StoreUnavailableError,
)
from ...retrying import is_transient, retry_after_seconds
from ..faults import WebPage, from_fault, from_page, is_page, tunnel_status
from ..network import PROXY_LOGIN, Place
from .credentials import credentials_problem

_MISSING = {"NoSuchKey", "404"}
_CREDENTIALS = {
    "InvalidAccessKeyId": "the store does not know this key: check the secret aws_access_key_id",
    "SignatureDoesNotMatch": "check the secret aws_secret_access_key",
    "ExpiredToken": "they have expired: renew the secret aws_session_token, or use aws_role_arn",
    "InvalidToken": "the session token is wrong: renew the secret aws_session_token",
    "InvalidClientTokenId": "check the secrets aws_access_key_id and aws_session_token",
    "ExpiredTokenException": "the OIDC token has expired: is its file being renewed?",
    "InvalidIdentityToken": "AWS does not trust the OIDC token: check the identity provider",
}
_CREDENTIALS["TokenRefreshRequired"] = _CREDENTIALS["ExpiredToken"]
_WRITING = (
    "grant s3:PutObject on the root's keys (with s3_tags s3:PutObjectTagging, with a KMS key"
    " kms:GenerateDataKey and kms:Decrypt), and check s3_expected_bucket_owner where it is set"
)
_RIGHTS = {
    "PutObject": _WRITING,
    "CreateMultipartUpload": _WRITING,
    "UploadPart": _WRITING,
    "CompleteMultipartUpload": _WRITING,
    "AbortMultipartUpload": "grant s3:AbortMultipartUpload on the root's keys",
    "GetObject": "grant s3:GetObject on the root's keys, and s3:ListBucket on the bucket, without"
    " which a missing object looks like a forbidden one (with a KMS key also kms:Decrypt)",
    "DeleteObject": "grant s3:DeleteObject on the root's keys",
    "AssumeRoleWithWebIdentity": "let the trust policy of aws_role_arn name this model's OIDC"
    " subject and audience for sts:AssumeRoleWithWebIdentity",
}
_RIGHTS["HeadObject"] = _RIGHTS["GetObject"]
_REGION = {
    *("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "301"),
    *("IllegalLocationConstraintException", "InvalidRegion"),
}
_REMEDIES = {
    "NoSuchBucket": "there is no such bucket: create it, or correct root",
    "InvalidBucketName": "this cannot be a bucket's name: correct root",
    "RequestTimeTooSkewed": "the clocks of this machine and the store differ by more than it"
    " allows (S3: 15 minutes): set this machine's clock",
    "InvalidStorageClass": "the store does not have it: correct s3_storage_class",
    "NotImplemented": "the store lacks something asked of it: conditional writes, without which it"
    " takes allow_unsafe_commit, or s3_encryption, s3_tags, s3_storage_class: leave these out",
}

_PAGE = re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)


@contextlib.contextmanager
def translated(key: str, place: Place, *, is_conditional: bool = False) -> Iterator[None]:
    """Turns whatever goes wrong in a call into a StoreError about `key`.

    Only where the call `is_conditional`, made with If-None-Match, can the object exist already.
    """
    try:
        yield
    except (OutboxError, *INTERRUPTIONS):
        raise
    except ClientError as error:
        raise _from_answer(key, error, is_conditional=is_conditional) from error
    except WebPage as error:
        raise from_page(key, error.status, place) from error
    except BaseException as error:
        raise _of_credentials(key, error) or _from_fault(key, error, place) from error


def refuse_page(response_dict: Mapping[str, Any], **_: object) -> None:
    """A hook of botocore's: who answered with a page was not the store. Raises WebPage.

    Its type alone says too little: some servers call all that they say a page. Of an object's own
    bytes, which may be one, nothing is read here: an object has a tag.
    """
    status, headers, body = (response_dict[name] for name in ("status_code", "headers", "body"))
    is_object = not isinstance(body, bytes)
    looks_foreign = "etag" not in headers if is_object else bool(_PAGE.match(body))
    if status == PROXY_LOGIN or (looks_foreign and is_page(headers.get("content-type"))):
        raise WebPage(status)


def _of_credentials(key: str, error: BaseException) -> StoreError | None:
    problem = credentials_problem(error)
    if problem is None:
        return None
    kind = StoreUnavailableError if problem.may_pass else AccessDeniedError
    return kind(key, f"AWS credentials: {problem.said}")


def _from_fault(key: str, error: BaseException, place: Place) -> StoreError:
    """Of a call that got no answer."""
    match error:
        case ProxyConnectionError() if status := tunnel_status(error.kwargs.get("error")):
            return from_page(key, status, place)
        case ParamValidationError():
            return StoreError(key, "boto3 refused the call's parameters")
        case BotoCoreError() | ResponseParserError():
            return StoreUnavailableError(key, _unanswered(error, place))
        case _:
            return from_fault(key, error)


def _unanswered(error: Exception, place: Place) -> str:
    match error:
        case SSLError():
            return "the store's TLS certificate is not trusted: set s3_ca_bundle"
        case ResponseParserError():
            return f"what {place.url} answered is not S3's: check it"
        case ConnectTimeoutError() | ReadTimeoutError():
            return place.unanswered("it took too long")
        case _:
            return place.unanswered(type(error).__name__)


def _from_answer(key: str, error: ClientError, *, is_conditional: bool) -> StoreError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    operation = error.operation_name
    if status == 412 and is_conditional:
        return AlreadyExistsError(key)
    if code in _MISSING:
        return NotFoundError(key)
    # 409: another write to the key is under way. 412 without a condition of ours: of the body,
    # which was damaged on its way. Skewed: signed long before it was sent.
    if is_transient(status, code) or status in {409, 412} or code == "RequestTimeTooSkewed":
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return StoreUnavailableError(
            key,
            f"{code} ({status}){_and(_REMEDIES.get(code))}",
            retry_after_seconds=retry_after_seconds(headers.get("retry-after")),
        )
    if code in _REGION or 300 <= status < 400:
        return StoreError(key, _in_another_region(code, status, error))
    if code in _CREDENTIALS or status in {401, 403} or operation.startswith("AssumeRole"):
        remedy = _CREDENTIALS.get(code) or _RIGHTS.get(operation)
        return AccessDeniedError(
            key, f"{code}: the credentials do not allow {operation}{_and(remedy)}"
        )
    refused = NotImplementedByStoreError if status == 501 else StoreError
    return refused(key, f"{operation} was refused: {code} ({status}){_and(_remedy(code))}")


def _in_another_region(code: str, status: int, error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    details: dict[str, str] = {**error.response.get("Error", {})}  # type: ignore[dict-item]
    region = details.get("Region") or headers.get("x-amz-bucket-region")
    where = f"region {region}: set region to it" if region else "another region: set region"
    return f"{code} ({status}): the bucket is in {where}, and check endpoint_url where it is set"


def _remedy(code: str) -> str | None:
    if code.startswith("KMS."):
        return "check s3_kms_key_id, its region and that it is enabled"
    return _REMEDIES.get(code)


def _and(remedy: str | None) -> str:
    return f": {remedy}" if remedy else ""
