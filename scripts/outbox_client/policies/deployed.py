"""What the deployment's own settings ask of a policy, as config.yaml has them."""

from dataclasses import dataclass

from truss_outbox.contract.root import Root

# Of the regions whose names begin so; all others are in `aws`
# (docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html).
_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-isob-": "aws-iso-b",
    "us-iso-": "aws-iso",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """`kms_key`: the ARN of the key that S3 encrypts with. `tags`: the model sets object tags."""

    kms_key: str | None = None
    tags: bool = False
    input_roots: tuple[Root, ...] = ()
    """Of the root's own cloud."""
    region: str | None = None
    results_days: int | None = None
    """After so many days results go, by the bucket's own rules; None: never."""

    @property
    def partition(self) -> str:
        """What AWS's names of resources begin with, after `arn:`."""
        region = self.region or ""
        found = (name for prefix, name in _PARTITIONS.items() if region.startswith(prefix))
        return next(found, "aws")


PLAIN = Deployed()
