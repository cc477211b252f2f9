"""The tour, as a newcomer sees it."""

import subprocess
import sys
from pathlib import Path

from chatreel.demo.calls import CALLS
from support.program import clean_environment


def test_the_tour_replays_every_call_to_the_byte(tmp_path: Path) -> None:
    """It needs neither a key nor a way out: the environment has a proxy that would fail every call to the network."""
    folders = {"XDG_DATA_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    env = clean_environment() | {"HTTPS_PROXY": "http://127.0.0.1:9"} | folders
    command = [sys.executable, "-m", "chatreel", "demo", "--pace", "50"]
    ended = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    for call in CALLS:
        assert call.title.split()[0] in ended.stdout
    assert f"{len(CALLS)} of {len(CALLS)} replays equal to the byte" in ended.stdout
    assert f"{len(CALLS)} calls reached the model server, {len(CALLS)} were saved" in ended.stdout
    assert "NO" not in ended.stdout
    [shown] = [line for line in ended.stdout.splitlines() if " dashboard --store " in line]
    assert Path(shown.partition("--store ")[2]).is_file(), "what was recorded can be looked at"
