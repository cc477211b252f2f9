"""`chatreel doctor`: each thing that can be wrong is found, named with its remedy, and left as it is."""

import datetime as dt
import hashlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chatreel.doctor import machine
from chatreel.interception import CA_VARIABLES
from support.calls import ask, question
from support.command import chatreel
from support.database import locked, rows
from support.program import clean_environment, running_chatreel
from support.upstream import Upstream


class Patient:
    """A set-up of its own, made sick by the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store.db"
        self.certificates = folder / "chatreel" / "certificates"

    def examined(self, *flags: str, **env: str) -> dict[str, list[dict[str, Any]]]:
        """The findings of each check, and that the exit code goes with them."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        given = ("--store", str(self.store), *(() if "--port" in flags else ("--port", str(port))), *flags)
        env = dict.fromkeys(CA_VARIABLES, "") | {"XDG_DATA_HOME": str(self.folder)} | env
        ended = chatreel("doctor", "--json", *given, cwd=self.folder, **env)
        found: dict[str, list[dict[str, Any]]] = {}
        for finding in json.loads(ended.stdout)["findings"]:
            found.setdefault(finding["check"], []).append(finding)
        levels = {finding["level"] for findings in found.values() for finding in findings}
        assert ended.returncode == (1 if "wrong" in levels else 0), ended.stderr
        assert all(bool(one["mend"]) == (one["level"] != "ok") for findings in found.values() for one in findings)
        return found

    def snapshot(self) -> dict[str, tuple[str, int]]:
        """What there is: the content of every file, and its mode."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode) for path in files}


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """A set-up in which something was recorded, and that works."""
    patient = Patient(tmp_path_factory.mktemp("used"))
    with (
        Upstream() as upstream,
        running_chatreel(
            *("--upstream", upstream.url, "--mode", "cache", "--store", str(patient.store), "--proxy-port", "0"),
            env={"XDG_DATA_HOME": str(patient.folder)},
        ) as proxy,
    ):
        ask(proxy.base_url, question())
    return patient


def levels(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, set[str]]:
    return {check: {finding["level"] for finding in findings} for check, findings in found.items()}


@pytest.mark.long
def test_a_set_up_that_works_is_all_ok(used: Patient) -> None:
    found = used.examined("--port", "0", OPENAI_BASE_URL="http://127.0.0.1:0/v1")
    found.pop("base URL")  # it cannot lead to a port that is not known yet
    assert set().union(*levels(found).values()) == {"ok"}, found
    assert set(found) == {
        *("versions", "engine", "settings", "mode", "port", "proxies", "certificates", "store", "disk", "clock"),
        "open files",
    }
    assert "revision" in found["store"][0]["message"]


@pytest.mark.long
def test_nothing_is_changed_and_nothing_is_made(used: Patient, patient: Patient) -> None:
    """Not even a write-ahead log, which is not there where a proxy has ended as it should."""
    patient.examined("--proxy-port", "8081")
    assert list(patient.folder.iterdir()) == []
    left_over = shutil.ignore_patterns("*-shm", "*-wal")
    shutil.copytree(used.folder, patient.folder, ignore=left_over, dirs_exist_ok=True)
    before = patient.snapshot()
    assert patient.examined("--proxy-port", "8081")["store"][0]["level"] == "ok"
    assert patient.snapshot() == before


@pytest.mark.long
def test_a_person_reads_one_line_for_each_finding(patient: Patient) -> None:
    ended = chatreel("doctor", "--store", str(patient.store), "--port", "0", cwd=patient.folder, CI="true")
    lines = ended.stdout.splitlines()
    assert any(line.startswith("warning mode         CI=true is set") and ". Mend: " in line for line in lines)
    assert all(line.startswith(("ok ", "warning ", "wrong ")) for line in lines)
    assert ended.returncode == 0


@pytest.mark.long
def test_a_port_that_another_program_has_is_wrong_and_our_own_is_not(patient: Patient, upstream: Upstream) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = patient.examined("--port", str(other.getsockname()[1]))
    assert found["port"][0]["level"] == "wrong"
    with running_chatreel("--upstream", upstream.url, "--store", str(patient.store)) as proxy:
        port = proxy.base_url.removesuffix("/v1").rpartition(":")[2]
        found = patient.examined("--port", port, OPENAI_BASE_URL=proxy.base_url)
    assert found["port"][0]["message"].startswith("reverse proxy: chatreel ")
    assert found["base URL"][0]["level"] == "ok"


@pytest.mark.long
@pytest.mark.parametrize(
    ("env", "check", "level", "says"),
    [
        ({"CI": "1"}, "mode", "warning", "the mode is replay"),
        ({}, "base URL", "warning", "is not set"),
        ({"OPENAI_BASE_URL": "https://api.openai.com/v1"}, "base URL", "warning", "api.openai.com"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "base URL", "warning", "the proxy is on 8080"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:8080"}, "base URL", "wrong", "has no path"),
        (
            {"OPENAI_BASE_URL": "http://127.0.0.1:8080/v1", "HTTP_PROXY": "http://corp:3128"},
            "proxies",
            "wrong",
            "HTTP_PROXY also takes what is for 127.0.0.1:8080",
        ),
        ({"https_proxy": "http://corp:3128"}, "proxies", "warning", "another proxy"),
        (
            {"HTTPS_PROXY": "http://127.0.0.1:8081", "NO_PROXY": "a.example,openai.com"},
            "proxies",
            "wrong",
            "leads around the proxy: openai.com",
        ),
        ({"HTTPS_PROXY": "http://127.0.0.1:8081", "SSL_CERT_FILE": ""}, "trust", "wrong", "SSL_CERT_FILE is not set"),
        ({"REQUESTS_CA_BUNDLE": "/no/such/file"}, "trust", "wrong", "REQUESTS_CA_BUNDLE=/no/such/file"),
        ({"CHATREEL_MODE": "cahce"}, "settings", "wrong", "mode"),
        ({"CHATREEL_HOST": "0.0.0.0"}, "settings", "wrong", "CHATREEL_TOKEN"),
        ({"CHATREEL_STORE": "mysql://h/d"}, "settings", "ok", ""),
    ],
)
def test_what_the_environment_says_is_compared_with_the_proxy(
    used: Patient, env: dict[str, str], check: str, level: str, says: str
) -> None:
    found = used.examined("--port", "8080", "--proxy-port", "8081", **env)
    assert level in levels(found)[check]
    assert any(says in finding["message"] for finding in found[check])


@pytest.mark.long
def test_a_bundle_without_our_certificate_is_wrong_and_one_with_it_is_not(used: Patient, tmp_path: Path) -> None:
    ours = (used.certificates / "mitmproxy-ca-cert.pem").read_text()
    others = trustme.CA().cert_pem.bytes().decode()
    for text, level in ((others, "wrong"), (others + ours, "ok")):
        bundle = tmp_path / "bundle.pem"
        bundle.write_text(text)
        found = used.examined("--proxy-port", "8081", HTTPS_PROXY="http://127.0.0.1:8081", SSL_CERT_FILE=str(bundle))
        assert levels(found)["trust"] == {level}


def certificate(days: int) -> bytes:
    """One that ends in so many days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=400))
    made = builder.not_valid_after(now + dt.timedelta(days=days)).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.long
@pytest.mark.parametrize(
    ("content", "mode", "level", "says"),
    [
        (certificate(300), 0o600, "ok", "valid for"),
        (certificate(-1), 0o600, "wrong", "has expired"),
        (certificate(10), 0o600, "wrong", "expires in"),
        (b"nothing", 0o600, "wrong", "is no certificate"),
        (certificate(300), 0o644, "wrong", "can be read by others"),
        (None, 0o600, "ok", "none yet"),
    ],
    ids=["valid", "expired", "expires soon", "garbage", "public", "none"],
)
def test_the_certificate_authority_is_looked_at(
    patient: Patient, content: bytes | None, mode: int, level: str, says: str
) -> None:
    if content is not None:
        patient.certificates.mkdir(parents=True)
        (patient.certificates / "mitmproxy-ca-cert.pem").write_bytes(content)
        key = patient.certificates / "mitmproxy-ca.pem"
        key.write_bytes(b"key")
        key.chmod(mode)
    [finding] = patient.examined()["certificates"]
    assert finding["level"] == level
    assert says in finding["message"]


@pytest.mark.long
def test_a_store_that_others_can_read_is_wrong(used: Patient) -> None:
    used.store.chmod(0o644)
    try:
        found = used.examined()
    finally:
        used.store.chmod(0o600)
    assert found["store"][0]["level"] == "wrong"
    assert "chmod 600" in found["store"][0]["mend"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_bytes(b"no database" * 1000), "cannot be read"),
        (lambda path: rows(path, "CREATE TABLE other (x)"), "not a chatreel store"),
        (lambda path: path.mkdir(), "cannot be read"),
    ],
    ids=["no database", "another database", "a folder"],
)
def test_what_is_no_store_is_wrong(patient: Patient, make: Any, says: str) -> None:
    make(patient.store)
    patient.store.chmod(0o700 if patient.store.is_dir() else 0o600)
    [finding] = patient.examined()["store"]
    assert finding["level"] == "wrong"
    assert says in finding["message"]


@pytest.mark.long
def test_a_store_of_a_newer_version_is_wrong(patient: Patient, upstream: Upstream) -> None:
    with running_chatreel("--upstream", upstream.url, "--store", str(patient.store)):
        pass
    rows(patient.store, "UPDATE alembic_version SET version_num = '9999'")
    [finding] = patient.examined()["store"]
    assert (finding["level"], finding["mend"]) == ("wrong", "upgrade chatreel")


@pytest.mark.long
def test_rows_from_the_future_mean_that_the_clock_is_wrong(patient: Patient, upstream: Upstream) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", str(patient.store)) as proxy:
        ask(proxy.base_url, question())
    assert levels(patient.examined())["clock"] == {"ok"}
    rows(patient.store, "UPDATE calls SET started_at = ?", time.time() + 7200)
    [finding] = patient.examined()["clock"]
    assert finding["level"] == "warning"
    assert "2.0 hours newer" in finding["message"]


def left(patient: Patient) -> dict[str, tuple[str, int]]:
    """Its files without the index of a write-ahead log, which SQLite makes anew for whoever reads after a kill."""
    return {name: seen for name, seen in patient.snapshot().items() if not name.endswith("-shm")}


@pytest.mark.long
def test_rows_that_a_killed_proxy_left_behind_are_found_and_left_where_they_are(
    patient: Patient, upstream: Upstream
) -> None:
    flags = ("--upstream", upstream.url, "--mode", "cache", "--store", str(patient.store))
    with running_chatreel(*flags) as proxy:
        ask(proxy.base_url, question("once"))
        assert "log" not in patient.examined(), "its proxy lives"
        with locked(str(patient.store)):
            ask(proxy.base_url, question("once"))
            proxy.kill()
    before = left(patient)
    [finding] = patient.examined()["log"]
    assert finding["level"] == "warning"
    assert "a proxy that was killed left rows of the log behind" in finding["message"]
    assert str(patient.store) in finding["message"]
    assert "chatreel stats" in finding["mend"]
    assert left(patient) == before
    assert chatreel("stats", "--store", str(patient.store), cwd=patient.folder).returncode == 0
    assert "log" not in patient.examined()


@pytest.mark.long
def test_it_works_without_the_proxy_extra_and_says_that_it_is_missing(patient: Patient) -> None:
    code = """
import importlib.metadata, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"mitmproxy", "cryptography", "openai", "certifi"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
version = importlib.metadata.version
def without(name):
    if name == "mitmproxy":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = without
from chatreel.cli import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--store", str(patient.store), "--port", "0"],
        env=clean_environment() | {"XDG_DATA_HOME": str(patient.folder)},
        cwd=patient.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "pip install 'chatreel[proxy]'" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_limit_on_open_files_that_is_too_low_for_the_connections_is_named() -> None:
    assert machine.descriptors(2_000, None).level == "ok"
    assert machine.descriptors(2_000, 4_200).level == "ok"
    finding = machine.descriptors(2_000, 1_024)
    assert (finding.level, "1,024 are allowed" in finding.message) == ("warning", True)
    assert "ulimit -Hn" in finding.mend
