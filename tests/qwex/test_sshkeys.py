"""Keys for ssh are whole, or not there."""

from __future__ import annotations

import pytest

from qwex.errors import ConfigError
from qwex.sshkeys import make_key

#: Writes the private half, begins the public one, and ends as on a full disk.
HALFWAY = """#!/bin/sh
while [ "$1" != -f ]; do shift; done
echo half > "$2"
: > "$2.pub"
echo No space left >&2
exit 1
"""


def test_half_a_key_is_none(tmp_path, monkeypatch):
    key, programs = tmp_path / "host_key", tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh-keygen").write_text(HALFWAY)
    (programs / "ssh-keygen").chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{programs}:/usr/bin:/bin")
        with pytest.raises(ConfigError, match="No space left"):
            make_key(key)
        assert not key.exists()
    make_key(key, "ada")
    made = key.with_suffix(".pub").read_text()
    assert made.split()[::2] == ["ssh-ed25519", "ada"]
    make_key(key)
    assert key.with_suffix(".pub").read_text() == made
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "host_key", "host_key.pub"]


def test_without_ssh_keygen_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="Install the OpenSSH client"):
        make_key(tmp_path / "key")
