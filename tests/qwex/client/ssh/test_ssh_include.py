"""The line in the user's ssh configuration comes and goes; all else in the file stays as it is."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from qwex.client.ssh.include import install, line, uninstall
from qwex.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def user(tmp_path, monkeypatch):
    """The configuration of a user who has none yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".ssh" / "config"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "my data" / "ssh"


def given(user: Path, data: bytes, mode: int = 0o600) -> None:
    user.parent.mkdir(mode=0o700, exist_ok=True)
    user.write_bytes(data)
    user.chmod(mode)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_user_without_a_configuration_gets_one(user, folder):
    assert install(folder) == (user, f'Include "{folder}/config"', True)
    assert user.read_text() == f'Include "{folder}/config"\n'
    assert (mode(user.parent), mode(user)) == (0o700, 0o600)
    assert uninstall(folder).changed
    assert user.read_bytes() == b""


def test_nothing_is_made_to_take_nothing_out(user, folder):
    assert not uninstall(folder).changed
    assert not user.parent.exists()


ODD = {
    "plain": b"Host a\n  User b\n",
    "no last newline": b"Host a\n  User b",
    "windows": b"Host a\r\n  User b\r\n",
    "mixed": b"# a\n\r\nHost a\r\n\tUser b\n\n\n",
    "not utf-8": b"# gr\xfc\xdfe \x00\xff\x0c\x0b\x85\nHost a\n",
    "empty": b"",
    "blank": b"\n",
    "huge": b"Host a\n  User b\n" * 100_000,
    "other includes": b"Include ~/.orbstack/ssh/config\nInclude conf.d/*\nHost *\n",
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("bits", [0o600, 0o644])
def test_the_rest_stays_byte_for_byte(user, folder, data, bits):
    given(user, data, bits)
    assert install(folder).changed
    end = b"\r\n" if data.startswith(b"Host a\r\n") else b"\n"
    assert user.read_bytes() == line(folder).encode() + end + data
    before = user.stat()
    assert not install(folder).changed
    assert user.stat() == before
    assert uninstall(folder).changed
    assert user.read_bytes() == data
    assert mode(user) == bits
    assert os.listdir(user.parent) == ["config"]


def test_a_line_that_belongs_to_a_host_is_moved_up(user, folder):
    ours = line(folder).encode()
    for host in (b"Host a\n", b"  match user=b\n", b"HOST=a\n", b"Host\ta\n"):
        given(user, host + b"  " + ours + b"\n  User b\n")
        assert install(folder).changed
        assert user.read_bytes() == ours + b"\n" + host + b"  User b\n"


def test_a_line_that_a_host_has_too_stands_once(user, folder):
    ours = line(folder).encode()
    for data in (ours + b"\nHost a\n  User b\n  " + ours, b"Host a\n  User b\n" + ours + b"\n" + ours):
        given(user, data)
        assert install(folder).changed
        assert user.read_bytes() == ours + b"\nHost a\n  User b\n"


def test_a_host_of_windows_gives_the_line_up(user, folder):
    ours = line(folder).encode()
    given(user, b"Host a\r\n  User b\r\n  " + ours)
    assert install(folder).changed
    assert user.read_bytes() == ours + b"\r\nHost a\r\n  User b\r\n"
    assert not install(folder).changed


@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
def test_a_line_at_the_end_of_what_is_odd_goes_again(user, folder, data):
    ours = line(folder).encode()
    end = b"" if data.endswith(b"\n") or not data else b"\n"
    given(user, data + end + ours)
    uninstall(folder)
    assert user.read_bytes() == data + end


def test_ssh_reads_an_odd_file_with_the_line(user, folder):
    if not shutil.which("ssh"):
        pytest.skip("ssh is not installed")
    folder.mkdir(parents=True)
    (folder / "config").write_text("Host qwex-*\n  User dev\n")
    for data in (ODD["windows"], ODD["no last newline"], ODD["huge"]):
        given(user, data)
        install(folder)
        for host, name in (("qwex-train", "dev"), ("a", "b")):
            ran = subprocess.run(["ssh", "-F", user, "-G", host], capture_output=True, text=True, check=True)
            assert f"user {name}\n" in ran.stdout


def test_a_line_put_in_by_hand_is_enough(user, folder):
    hand = b"# mine\n  " + line(folder).replace('"', "").encode() + b"  \nHost a\n"
    given(user, hand)
    assert not install(folder).changed
    uninstall(folder)
    assert user.read_bytes() == b"# mine\nHost a\n"


def test_signs_in_the_path_of_the_folder_are_matched_by_any(user, tmp_path):
    odd = tmp_path / '100% [of] "$HOME"' / "ssh"
    odd.mkdir(parents=True)
    assert line(odd) == f'Include "{tmp_path}/100? ?of] ??HOME?/ssh/config"'
    install(odd)
    assert not install(odd).changed
    assert uninstall(odd).changed


def test_two_folders_have_a_line_each(user, folder, tmp_path):
    given(user, b"Host a\n")
    install(folder)
    install(tmp_path / "other")
    assert user.read_text() == f"{line(tmp_path / 'other')}\n{line(folder)}\nHost a\n"
    assert not install(folder).changed
    uninstall(folder)
    assert user.read_text() == f"{line(tmp_path / 'other')}\nHost a\n"


def test_many_at_once_lose_nothing(user, tmp_path):
    given(user, b"Host a\n")
    folders = [tmp_path / str(n) for n in range(20)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(install, folders))
    assert sorted(user.read_text().splitlines()) == sorted(["Host a", *map(line, folders)])


def test_a_dry_run_only_says(user, folder):
    assert install(folder, dry_run=True).changed
    assert not user.parent.exists()
    given(user, b"Host a\n")
    assert install(folder, dry_run=True).changed
    assert not uninstall(folder, dry_run=True).changed
    assert user.read_bytes() == b"Host a\n"


def test_a_link_stays_one(user, folder, tmp_path):
    kept = tmp_path / "dotfiles" / "ssh"
    kept.mkdir(parents=True)
    (kept / "config").write_bytes(b"Host a\n")
    user.parent.mkdir()
    user.symlink_to("../dotfiles/ssh/config")
    install(folder)
    assert os.readlink(user) == "../dotfiles/ssh/config"
    assert (kept / "config").read_text() == f"{line(folder)}\nHost a\n"
    (kept / "config").unlink()
    install(folder)
    assert user.is_symlink()
    assert user.read_text() == f"{line(folder)}\n"


def test_a_link_to_what_is_read_only_is_left(user, folder, tmp_path):
    kept = tmp_path / "store"
    kept.mkdir()
    (kept / "config").write_bytes(b"Host a\n")
    user.parent.mkdir()
    user.symlink_to(kept / "config")
    kept.chmod(0o555)
    try:
        with pytest.raises(ConfigError, match="store is read-only"):
            install(folder)
    finally:
        kept.chmod(0o755)
    assert user.is_symlink()
    assert (kept / "config").read_bytes() == b"Host a\n"


def test_what_cannot_be_written_is_left_and_the_line_is_said(user, folder):
    given(user, b"Host a\n", 0o400)
    with pytest.raises(ConfigError) as caught:
        install(folder)
    assert str(caught.value).endswith(f"Put this line at its top yourself: {line(folder)}")
    assert "read-only" in str(caught.value)
    user.chmod(0o600)
    user.parent.chmod(0o500)
    with pytest.raises(ConfigError, match="read-only"):
        install(folder)
    user.parent.chmod(0o700)
    assert user.read_bytes() == b"Host a\n"
    assert os.listdir(user.parent) == ["config"]


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop", "nowhere", "parent"])
def test_what_is_no_file_is_left(user, folder, kind):
    if kind == "parent":
        user.parent.write_bytes(b"")
    else:
        user.parent.mkdir()
        {
            "folder": user.mkdir,
            "fifo": lambda: os.mkfifo(user),
            "loop": lambda: user.symlink_to(user),
            "nowhere": lambda: user.symlink_to("/no/such/folder/at/all"),
        }[kind]()
    with pytest.raises(ConfigError, match="Put this line at its top yourself: Include"):
        install(folder)


def test_an_error_half_way_leaves_the_file(user, folder, monkeypatch):
    given(user, b"Host a\n")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        install(folder)
    assert user.read_bytes() == b"Host a\n"
    assert os.listdir(user.parent) == ["config"]
