"""The secret of a store is made once, whole, and for its owner alone."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chatreel.errors import StoreError
from chatreel.store.secret import load_secret, secret_path


def test_the_secret_is_made_once(file_store: str) -> None:
    first = load_secret(file_store)
    assert len(first) == 32
    assert load_secret(file_store) == first
    assert stat.S_IMODE(secret_path(file_store).stat().st_mode) == 0o600


def test_many_that_make_it_at_once_have_the_same(file_store: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(load_secret, [file_store] * 32))) == 1
    assert [path.name for path in Path(file_store).parent.iterdir()] == ["store.db.secret"]


def test_a_url_names_the_secret_of_the_same_file(file_store: str) -> None:
    assert secret_path(f"sqlite:///{file_store}") == secret_path(file_store) == Path(f"{file_store}.secret")


@pytest.mark.parametrize(("mode", "complaint"), [(0o640, "mode 0640"), (0o604, "mode 0604"), (0o666, "chmod 600")])
def test_a_secret_that_others_can_read_is_none(file_store: str, mode: int, complaint: str) -> None:
    load_secret(file_store)
    secret_path(file_store).chmod(mode)
    with pytest.raises(StoreError, match=complaint):
        load_secret(file_store)


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_secret_of_another_size_is_none(file_store: str, content: bytes) -> None:
    secret_path(file_store).touch(mode=0o600)
    secret_path(file_store).write_bytes(content)
    with pytest.raises(StoreError, match=f"it has {len(content)} bytes instead of 32"):
        load_secret(file_store)


def test_a_secret_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="secret of the store cannot be used"):
        load_secret(str(tmp_path / "nowhere" / "store.db"))
