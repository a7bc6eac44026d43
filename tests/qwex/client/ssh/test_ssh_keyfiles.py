"""Files that people name for a key: what is taken from each, or said of it."""

from __future__ import annotations

import subprocess

import pytest

from qwex.client.ssh.config import usable
from qwex.client.ssh.keyfiles import named, public_half, shown
from qwex.errors import ConfigError

LINE = "ssh-ed25519 AAAA ada@laptop"
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.fixture
def key(tmp_path):
    """The name of a key, of which no half is there."""
    return tmp_path / "key"


@pytest.mark.parametrize("text", [LINE, f"{LINE}\r\n", f"# mine\r\n\r\n  {LINE}\n# end\n", f"\ufeff{LINE}\n"])
@pytest.mark.parametrize("half", ["private", "public"])
def test_the_public_half_is_read_whichever_is_named(key, text, half):
    key.write_text(PRIVATE)
    public = key.with_suffix(".pub")
    public.write_text(text, newline="")
    assert public_half(key if half == "private" else public) == LINE
    assert shown(key if half == "private" else public) == key


def test_a_key_that_an_agent_has_is_named_by_its_public_half(key):
    public = key.with_suffix(".pub")
    public.write_text(LINE)
    for half in (key, public):
        assert (public_half(half), shown(half)) == (LINE, public)


def test_a_file_of_any_name_may_have_a_public_key(key):
    key.write_text(LINE)
    assert public_half(key) == LINE


def no_half(key):
    return key


def folder(key):
    key.mkdir()
    return key


def private_alone(key):
    key.write_text(PRIVATE)
    return key


def private_named_public(key):
    public = key.with_suffix(".pub")
    public.write_text(PRIVATE)
    return public


def putty(key):
    key.write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    return key


def of_another_program(key):
    key.write_text("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n")
    return key


def several(key):
    key.write_text(f"{LINE}\n{LINE}\n")
    return key


def empty(key):
    key.write_text("# nothing\n")
    return key


def wide_text(key):
    key.write_text(LINE, encoding="utf-16")
    return key


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (no_half, "{} cannot be read: there is no such file, nor {}.pub"),
        (folder, "{} is a folder; name the file of a key in it"),
        (private_alone, "{} has a private key, which goes nowhere.*ssh-keygen -y -f {}$"),
        (private_named_public, "{} has a private key, which goes nowhere"),
        (putty, "{} has a private key, which goes nowhere"),
        (of_another_program, "{} is not in OpenSSH's form.*ssh-keygen -i -f {}$"),
        (several, "{} has 2 keys"),
        (empty, "{} has no keys"),
        (wide_text, "{} is no text; a public key is a line"),
    ],
)
def test_what_is_no_public_key_is_said(key, made, said):
    file = made(key)
    with pytest.raises(ConfigError, match="^--key: " + said.replace("{}", str(file))) as caught:
        public_half(file)
    assert "b3Bl" not in str(caught.value)


def test_a_home_is_that_of_a_person_that_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert named("~/key") == tmp_path / "key"
    assert str(named("~nosuch/key")) == "~nosuch/key"


@pytest.mark.parametrize(
    ("text", "why"), [("~nosuch/key", "there is no such file, nor ~nosuch/key.pub"), ("A" * 300, "File name too long")]
)
def test_a_name_that_no_file_can_have_is_said(text, why):
    with pytest.raises(ConfigError, match=f"cannot be read: {why}"):
        public_half(named(text))
    with pytest.raises(ConfigError, match=r"there is no key .*: name the file"):
        usable(shown(named(text)))


def test_what_ssh_keygen_makes(key):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", key], check=True)
    assert public_half(key).endswith(" ada")
