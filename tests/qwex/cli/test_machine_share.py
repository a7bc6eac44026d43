"""A machine for a colleague, with the real ssh and a real server; the colleague has another home of qwex's."""

from __future__ import annotations

import json
import os
import platform
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from qwex.client.ssh import doors
from qwex.client.ssh.sharing import read
from qwex.errors import ConfigError, Conflict
from qwex.sshkeys import key_name

SSHD = Path("/usr/sbin/sshd")


@pytest.fixture
def bob(home, boxes):
    """A colleague's environment: no controller, no machine, a key of their own."""
    for program in ("ssh", "ssh-keygen"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if not SSHD.exists() or (os.getuid() == 0 and not os.path.isdir("/run/sshd")):
        pytest.skip("OpenSSH's server is not installed")
    person = home.parent / "bob"
    person.mkdir()
    return {"QWEX_HOME": str(home.parent / "b"), "HOME": str(person)}


@pytest.fixture
def train(qwex, bob):
    """A machine of one's own that runs."""
    made = qwex("machine", "create", "train")
    assert made.code == 0, made.err
    assert "ssh qwex-train" in made.out


def ssh(env, *words):
    command = [
        "ssh",
        "-F",
        f"{env['HOME']}/.ssh/config",
        "-o",
        "BatchMode=yes",
        "-l",
        pwd.getpwuid(os.getuid()).pw_name,
        *words,
    ]
    return subprocess.run(
        command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def test_a_colleague_gets_in_and_out_again(qwex, bob, train, tmp_path):
    key = qwex("machine", "key", **bob).out
    assert key.startswith("ssh-ed25519 ")
    own = qwex("machine", "key").out.strip().split(" ", 2)[2]
    assert own.endswith(f"@{platform.node()}")
    shared = qwex("machine", "share", "train", "--key", key, "--name", "bob")
    assert shared.code == 0, shared.err
    assert "qwex machine join FILE" in shared.err
    invitation = json.loads(shared.out)
    assert sorted(invitation["door"]) == ["box", "home"]
    assert qwex("machine", "share", "train", "--list").out == f"{own}\nbob\n"

    (tmp_path / "train.json").write_text(shared.out)
    joined = qwex("machine", "join", "train.json", **bob)
    assert (joined.code, joined.err) == (0, "")
    assert "ssh qwex-train  is tester's machine train" in joined.out
    ran = ssh(bob, "qwex-train", "echo $((6 * 7))")
    assert (ran.returncode, ran.stdout) == (0, "42\n"), ran.stderr
    assert "joined: ssh qwex-train, tester's" in qwex("machine", "list", **bob).err

    assert qwex("machine", "share", "train", "--remove", "bob").code == 0
    refused = ssh(bob, "qwex-train", "true")  # a look at one's own list took nothing away
    assert "Permission denied" in refused.stderr
    left = qwex("machine", "leave", "train", **bob)
    assert left.code == 0
    assert "there is no machine train here" in ssh(bob, "qwex-train", "true").stderr
    assert qwex("machine", "leave", "train", **bob).code == 3


def test_one_with_the_name_of_ones_own_gets_another(qwex, bob, train, tmp_path):
    (tmp_path / "train.json").write_text(qwex("machine", "share", "train").out)
    refused = qwex("machine", "join", "train.json")
    assert refused.code == 1
    assert "of your own" in refused.err
    assert qwex("machine", "join", "train.json", "--as", "theirs").code == 0
    assert ssh({"HOME": os.environ["HOME"]}, "qwex-theirs", "true").returncode == 0


def test_a_name_that_a_joined_machine_has_is_not_taken(qwex, bob, train, tmp_path):
    (tmp_path / "train.json").write_text(qwex("machine", "share", "train").out)
    qwex("machine", "join", "train.json", **bob)
    refused = qwex("machine", "create", "train", **bob)
    assert refused.code == 1
    assert "ssh qwex-train is tester's machine" in refused.err
    assert qwex("machine", "list", **bob).out.startswith("no machines")
    assert qwex("machine", "leave", "train", **bob).code == 0
    made = qwex("machine", "create", "train", **bob)
    assert "ssh qwex-train" in made.out
    qwex("controller", "stop", **bob)


def test_a_joined_machine_is_said_to_be_somebody_elses(qwex, home, boxes):
    doors.take(home / "ssh", read(json.dumps(GOOD)).machine, "train")
    for command in ("status", "why", "stop", "start", "delete", "events", "kernel", "share"):
        done = qwex("machine", command, "train")
        assert done.code == 3
        assert "train is ada's machine" in done.err
        assert "ssh qwex-train" in done.err
        assert "qwex machine leave train" in done.err
    assert "train is ada's machine" in qwex("machine", "set", "train", "--idle", "2h").err
    assert "no machine 'other'" in qwex("machine", "stop", "other").err


def test_ones_own_machine_is_looked_after_though_another_has_its_name(qwex, home, boxes):
    assert qwex("machine", "create", "train", "--detach").code == 0
    doors.leave(home / "ssh", "train")
    doors.take(home / "ssh", read(json.dumps(GOOD)).machine, "train")
    assert qwex("machine", "stop", "train").out.startswith("train is ")


def test_another_host_key_of_a_joined_machine_is_refused(qwex, bob, train, tmp_path):
    invitation = json.loads(qwex("machine", "share", "train").out)
    (tmp_path / "train.json").write_text(json.dumps(invitation))
    (tmp_path / "anew.json").write_text(json.dumps({**invitation, "host_key": "ssh-ed25519 AAAA"}))
    assert qwex("machine", "join", "train.json", **bob).code == 0
    refused = qwex("machine", "join", "anew.json", **bob)
    assert refused.code == 1
    assert "another host key" in refused.err
    assert "qwex machine leave train" in refused.err
    qwex("machine", "leave", "train", **bob)
    assert qwex("machine", "join", "anew.json", **bob).code == 0


def test_a_machine_that_is_stopped_is_said_to_a_colleague_too(qwex, bob, train, tmp_path):
    (tmp_path / "train.json").write_text(qwex("machine", "share", "train").out)
    qwex("machine", "join", "train.json", **bob)
    qwex("machine", "stop", "train")
    assert ssh(bob, "qwex-train", "true").stderr.startswith("qwex: the machine does not run. It is tester's\n")


def test_ssh_finds_a_machine_whose_door_nobody_kept_here(qwex, bob, train, home):
    for file in (home / "ssh" / "machines").iterdir():
        file.unlink()
    me = {"HOME": os.environ["HOME"]}
    assert ssh(me, "qwex-train", "true").returncode == 0
    kept = home / "ssh" / "machines" / "train.json"
    stale = json.loads(kept.read_text())
    kept.write_text(json.dumps({**stale, "door": {"box": "/nowhere"}}))
    assert ssh(me, "qwex-train", "true").returncode == 0
    assert json.loads(kept.read_text()) == stale
    assert "there is no machine other here" in ssh(me, "qwex-other", "true").stderr


def test_a_key_is_kept_out_by_each_name_that_is_told(qwex, bob, train):
    own = qwex("machine", "key").out.strip()
    fingerprint = key_name(" ".join(own.split(" ")[:2]))
    shared = qwex("machine", "share", "train", "--key", "ssh-ed25519 AAAA")
    told = shared.err.splitlines()[0].removeprefix("train lets in ").partition(": ")[0]
    assert told == key_name("ssh-ed25519 AAAA")
    for name in (own, own.split(" ", 2)[2], fingerprint):
        removed = qwex("machine", "share", "train", "--remove", name)
        assert (removed.code, removed.out.partition(";")[0]) == (0, f"train lets in {told}"), name
        assert qwex("machine", "share", "train", "--key", own).code == 0


REFUSED = {
    ("share", "train", "--key", "ssh-ed25519 AAAA {own}"): "a key named '{own}' is let in already",
    ("share", "train", "--key", "/nowhere"): "--key: /nowhere cannot be read",
    ("share", "train", "--key", "~nosuch/key"): "--key: ~nosuch/key cannot be read: there is no such file",
    ("share", "train", "--key", "no key"): "is no public key",
    ("share", "train", "--key", "A" * 372): "cannot be read: File name too long",
    ("share", "train", "--remove", "ada"): "no key is named 'ada'",
    ("share", "none"): "qwex machine list",
    ("leave", "train"): "qwex machine delete",
    ("join", "/nowhere"): "/nowhere cannot be read",
    ("join", "~nosuch/train.json"): "~nosuch/train.json cannot be read: No such file",
}


def test_what_cannot_be_shared_is_refused_in_a_sentence(qwex, train):
    own = qwex("machine", "key").out.strip().split(" ", 2)[2]
    for words, said in REFUSED.items():
        done = qwex("machine", *(word.replace("{own}", own) for word in words))
        assert done.code != 0, words
        assert said.replace("{own}", own) in done.err


def test_a_key_is_no_file_however_long_it_is(qwex, train):
    assert qwex("machine", "share", "train", "--key", f"ssh-rsa {'A' * 372}").code == 0


GOOD = {
    "kind": "qwex-machine",
    "version": 1,
    "name": "train",
    "user": "ada",
    "id": "train-abcdef",
    "provider": "kueue",
    "host_key": "ssh-ed25519 AAAA",
    "door": {"server": "https://k", "namespace": "team", "pod": "qwex-train-0", "kubeconfig": "/etc/shadow"},
}


def test_of_what_somebody_wrote_only_what_means_something_is_taken():
    assert set(read(json.dumps(GOOD)).machine.door) == {"server", "namespace", "pod", "port", "home"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"kind": "other"}, ConfigError),
        ({"version": 2}, ConfigError),
        ({"name": "../train"}, ConfigError),
        ({"user": "ada\x1b[2J"}, ConfigError),
        ({"host_key": "ssh-ed25519 AAAA\nqwex-other ssh-ed25519 BBBB"}, ConfigError),
        ({"door": []}, ConfigError),
        ({"door": {"namespace": "team", "pod": "../secrets"}}, Conflict),
        ({"provider": "nowhere"}, Conflict),
    ],
)
def test_an_odd_invitation_is_refused(change, error):
    with pytest.raises(error):
        read(json.dumps({**GOOD, **change}))


@pytest.mark.parametrize("text", ["Dear Bob,", "", "[]", "[" * 100_000, '{"kind":' * 100_000, "9" * 5000])
def test_what_is_no_invitation_is_said(text):
    with pytest.raises(ConfigError, match="no invitation"):
        read(text)
