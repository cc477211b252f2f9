"""`make audit`: what is known of the locked dependencies fails a build; that nobody could be asked does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.resources import REPOSITORY

FLAW = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"], "description": "It opens doors."}


def audit(tmp_path: Path, flaws: list[object] | None, explained: str = "") -> subprocess.CompletedProcess[str]:
    """The audit, with a pip-audit that finds these; `None`: it reaches nobody."""
    skipped = {"name": "b", "skip_reason": "Dependency not found on PyPI"}
    found = [{"name": "a", "version": "1.0", "vulns": flaws}] if flaws != ["nothing is known"] else []
    answer = {"dependencies": [*found, skipped], "fixes": []}
    script = tmp_path / "pip-audit"
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        + (
            "sys.exit('ConnectionError: Temporary failure in name resolution')"
            if flaws is None
            else f"pathlib.Path(sys.argv[-1]).write_text({json.dumps(answer)!r})\nsys.exit({int(bool(flaws))})"
        )
    )
    script.chmod(0o700)
    (tmp_path / "explained").write_text(explained)
    environment = os.environ | {"PIP_AUDIT": str(script), "AUDIT_EXPLAINED": str(tmp_path / "explained")}
    command = [sys.executable, str(REPOSITORY / ".ci" / "audit")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("flaws", "explained", "code", "said"),
    [
        ([], "", 0, "1 packages, 0 known flaws, 0 of them not explained; NOT ASKED about 1: b"),
        ([FLAW], "", 1, "a 1.0: PYSEC-2026-1, CVE-2026-1; fixed in 1.1. NOT EXPLAINED"),
        ([FLAW], "# why\nCVE-2026-1 The door is not used.\n", 0, "The door is not used."),
        (None, "", 0, "NOT DONE: the advisories cannot be asked from here: ConnectionError"),
        (["nothing is known"], "", 0, "NOT DONE: the index that can be asked from here knows none of the packages"),
    ],
    ids=["clean", "a flaw", "an explained flaw", "nobody to ask", "nobody who knows"],
)
def test_the_audit_tells_flaws_from_silence(
    tmp_path: Path, flaws: list[object] | None, explained: str, code: int, said: str
) -> None:
    ended = audit(tmp_path, flaws, explained)
    assert (ended.returncode, ended.stderr) == (code, "")
    assert said in ended.stdout
