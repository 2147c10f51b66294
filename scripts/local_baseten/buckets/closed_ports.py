"""SeaweedFS's ports, but S3's, for SeaweedFS alone: its master, filer, volumes and their gRPC.

By themselves they answer anybody, and let anybody write and delete what lies in the bucket.
"""

import datetime
import ipaddress
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ..state_directory import write_private

SETTINGS = "security.toml"
"""Where SeaweedFS looks for them, in the directory it runs in."""
CERTIFICATE = "ports.pem"

_DAYS = 3_650
_SIGNED = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
_ENCRYPTED = (
    *("grpc.master", "grpc.volume", "grpc.filer", "grpc.s3", "grpc.admin", "grpc.worker"),
    *("grpc.client", "https.master", "https.volume", "https.filer", "https.admin"),
)
_FILES = {"ca": CERTIFICATE, "cert": CERTIFICATE, "key": CERTIFICATE}


def close_ports(directory: Path) -> None:
    """Write what SeaweedFS needs to know itself, new at every start, for the owner alone.

    Each connection, HTTP or gRPC, shows the one certificate on both sides; each request that
    reads or writes by HTTP is signed besides.
    """
    write_private(directory / CERTIFICATE, _certificate())
    sections = [
        _section("grpc", ca=CERTIFICATE),
        *(_section(name, key=secrets.token_hex(32)) for name in _SIGNED),
        *(_section(name, **_FILES) for name in _ENCRYPTED),
        _section("https.client", **_FILES, enabled="true"),
    ]
    write_private(directory / SETTINGS, "\n".join(sections))


def _section(name: str, **values: str) -> str:
    return "".join([f"[{name}]\n", *(f'{key} = "{value}"\n' for key, value in values.items())])


def _certificate() -> str:
    """A key and its certificate, which is its own authority, as PEM in one text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seaweedfs")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return (pem + certificate.public_bytes(serialization.Encoding.PEM)).decode()
