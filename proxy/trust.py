"""The file of certificates that a program behind the forward proxy trusts: all it would trust without us, and ours."""

import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import certifi

from chatreel.interception import CA_VARIABLES

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def bundle(authority: Path, inherited: Mapping[str, str]) -> str:
    """PEM text: `authority`, the roots of certifi and of this system, and what the environment named before.

    A file that cannot be read is left out, since whoever named it could not have used it either.
    """
    named = [Path(inherited[name]) for name in CA_VARIABLES if inherited.get(name)]
    system = ssl.get_default_verify_paths().openssl_cafile
    files = [authority, Path(certifi.where()), Path(system), *_distributions(), *named]
    return "\n".join(dict.fromkeys(_certificates(files))) + "\n"


def write_bundle(folder: Path, authority: Path) -> Path:
    """Write the bundle for this process's environment into `folder`; the file."""
    path = folder / "certificates.pem"
    path.write_text(bundle(authority, os.environ), encoding="ascii")
    return path


def _certificates(files: Iterable[Path]) -> Iterator[str]:
    for file in dict.fromkeys(files):
        try:
            text = file.read_text(encoding="ascii", errors="ignore")
        except OSError:
            continue
        yield from _CERTIFICATE.findall(text)


def _distributions() -> Iterator[Path]:
    """Where systems keep their roots, if OpenSSL was built to look elsewhere. Go's list, crypto/x509/root_linux.go."""
    yield Path("/etc/ssl/certs/ca-certificates.crt")  # Debian, Arch
    yield Path("/etc/pki/tls/certs/ca-bundle.crt")  # Fedora
    yield Path("/etc/ssl/ca-bundle.pem")  # openSUSE
    yield Path("/etc/ssl/cert.pem")  # Alpine, macOS
