"""Users of the bucket who may do what a policy says: SeaweedFS evaluates real IAM policies."""

import contextlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

from local_baseten.buckets.s3 import BucketServer
from truss_outbox.stores import S3Options


@dataclass(frozen=True)
class User:
    iam: Any
    name: str
    endpoint_url: str
    access_key_id: str
    secret_access_key: str

    def may(self, policy: dict[str, Any]) -> None:
        """This, and nothing else."""
        self.iam.put_user_policy(
            UserName=self.name, PolicyName="outbox", PolicyDocument=json.dumps(policy)
        )

    @property
    def options(self) -> S3Options:
        return S3Options(
            endpoint_url=self.endpoint_url,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }


def owner(server: BucketServer, service: str) -> Any:
    """boto3's client for somebody who may do anything."""
    return boto3.client(
        service,
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
    )


@contextmanager
def new_user(server: BucketServer) -> Iterator[User]:
    """Somebody who may do nothing yet."""
    with contextlib.closing(owner(server, "iam")) as iam:
        name = f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        yield User(iam, name, server.endpoint_url, key["AccessKeyId"], key["SecretAccessKey"])


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    """The policy with one action removed wherever it stands."""
    statements = [
        {**statement, "Action": [one for one in statement["Action"] if one != action]}
        for statement in policy["Statement"]
    ]
    return {**policy, "Statement": [one for one in statements if one["Action"]]}


def actions(policy: dict[str, Any]) -> list[str]:
    return sorted({action for one in policy["Statement"] for action in one["Action"]})
