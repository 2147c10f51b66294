"""A model on Baseten, as its OIDC tokens name it (docs.baseten.co/organization/oidc)."""

import re
from dataclasses import dataclass, fields

from truss_outbox.contract.errors import ConfigurationError

ISSUER = "oidc.baseten.co"
AUDIENCE = "oidc.baseten.co"
_ID = re.compile(r"[A-Za-z0-9_.-]+\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """None means any. To be trusted it needs an organisation."""

    org: str | None = None
    team: str | None = None
    model: str | None = None
    environment: str | None = None

    def claims(self) -> dict[str, str]:
        """What its tokens claim. Raises ConfigurationError where `org` is missing."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        claims = {name: value for name, value in said.items() if value is not None}
        for name, value in claims.items():
            if not _ID.match(value):
                raise ConfigurationError(name, "may only hold letters, digits, _ . and -")
        if "org" not in claims:
            raise ConfigurationError(
                "org", "pass --org: without it every customer of Baseten would be trusted"
            )
        return claims

    def subject_pattern(self) -> str:
        """The `sub` of its containers' tokens, with * for what is left open."""
        claims = self.claims()
        names = ("org", "team", "model", "deployment", "environment")
        return ":".join(
            ["v=1", *(f"{name}={claims.get(name, '*')}" for name in names), "type=model_container"]
        )


ANY_WORKLOAD = Workload()
