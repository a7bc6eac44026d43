"""The folder for ssh: who may read it, what ssh makes of its configuration, and the doors that are kept in it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from qwex.client.ssh import config, doors, files, sharing
from qwex.errors import ConfigError, Conflict
from qwex.machines import MachineRecord, MachineState
from qwex.machinespec import MACHINE_NAME

#: What may be found in the file of a door.
BROKEN = {
    "nothing": b"",
    "half": b'{"id": "train-abc", "na',
    "list": b"[]",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "keys missing": b'{"opener": "a:b"}',
    "no opener's name": b'{"id": "a", "name": "train", "provider": "kueue", "opener": 1, "door": {}}',
    "no door": b'{"id": "a", "name": "train", "provider": "kueue", "opener": "a:b", "door": []}',
    "no user": b'{"id": "a", "name": "train", "provider": "kueue", "opener": "a:b", "door": {}, "user": 1}',
}
TRAIN = MachineRecord(
    "train-abc", "train", "me", "kueue", MachineState.RUNNING, 0.0, door={"pod": "a"}, host_key="ssh-ed25519 AAAA"
)


@pytest.fixture
def folder(tmp_path):
    return files.ssh_folder(tmp_path / "home")


@pytest.fixture
def points(monkeypatch):
    """The providers whose doors were looked up; each is installed."""
    asked = []

    def entry_points(*, group, name):
        asked.append(name)
        return [importlib.metadata.EntryPoint(name, f"qwex_{name}.door:open", group)]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return asked


def machines(folder):
    return sorted(os.listdir(folder / "machines"))


def door(folder, name="train"):
    return json.loads((folder / "machines" / f"{name}.json").read_text())


def named(folder):
    return [each for each in (folder / "config").read_text().splitlines() if each.startswith("Host ")]


def test_nobody_else_reads_it(folder, points):
    doors.keep(folder, [TRAIN])
    files.identity(folder)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert {name: mode for name, mode in modes.items() if mode & 0o077 and not name.endswith("25519.pub")} == {}
    assert sorted(modes) == sorted(
        ["ssh", "config", "known_hosts.sh", "id_ed25519", "id_ed25519.pub", "machines", "train.json", "train.pub"]
    )


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(ConfigError, match=r"home cannot be used: .*Set QWEX_HOME"):
        files.prepare(files.ssh_folder(tmp_path / "home"))


def test_the_key_is_made_once_by_whoever_comes_first(folder):
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda _: files.public_key(folder), range(4)))
    assert len(keys) == 1
    assert keys.pop().startswith("ssh-ed25519 ")
    before = files.public_key(folder)
    (folder / "id_ed25519.pub").unlink()
    assert files.public_key(folder).split()[:2] == before.split()[:2]


def test_no_ssh_keygen_is_said(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ConfigError, match="Install the OpenSSH client"):
        files.identity(folder)


def test_doors_are_those_of_the_listed_machines(folder, points):
    other = replace(TRAIN, id="eval-abc", name="eval", host_key="")
    doors.keep(folder, [TRAIN, other])
    assert machines(folder) == ["eval.json", "train.json", "train.pub"]
    assert door(folder) == {
        "id": "train-abc",
        "name": "train",
        "provider": "kueue",
        "host_key": "ssh-ed25519 AAAA",
        "controller": "",
        "opener": "qwex_kueue.door:open",
        "door": {"pod": "a"},
    }
    assert (folder / "machines" / "train.pub").read_text() == "ssh-ed25519 AAAA\n"
    # Editors list the hosts that are named.
    assert [each for each in named(folder) if "*" not in each] == ["Host qwex-eval", "Host qwex-train"]
    doors.keep(folder, [other])
    assert machines(folder) == ["eval.json"]
    assert [each for each in named(folder) if "*" not in each] == ["Host qwex-eval"]
    doors.put(folder, TRAIN)
    assert machines(folder) == ["eval.json", "train.json", "train.pub"]
    doors.forget(folder, "train")
    assert machines(folder) == ["eval.json"]


def test_openers_are_looked_up_when_a_door_is_new(folder, points):
    doors.keep(folder, [TRAIN])
    doors.keep(folder, [TRAIN])
    doors.keep(folder, [replace(TRAIN, host_key="ssh-ed25519 BBBB")])
    assert points == ["kueue"]
    assert door(folder)["host_key"] == "ssh-ed25519 BBBB"
    doors.keep(folder, [replace(TRAIN, door={"pod": "b"})])
    doors.keep(folder, [replace(TRAIN, provider="local")])
    assert points == ["kueue", "kueue", "local"]
    (folder / "machines" / "train.json").write_text("{")
    doors.keep(folder, [TRAIN])
    assert door(folder)["opener"] == "qwex_kueue.door:open"


def test_a_provider_that_is_not_installed_is_looked_up_again(folder, points, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(importlib.metadata, "entry_points", lambda **_: [])
        doors.keep(folder, [TRAIN])
    assert door(folder)["opener"] == ""
    doors.keep(folder, [TRAIN])
    assert door(folder)["opener"] == "qwex_kueue.door:open"


AT = "https://qwex.example"


def test_doors_of_another_controller_stay(folder, points):
    doors.keep(folder, [TRAIN])
    other = replace(TRAIN, id="eval-abc", name="eval", host_key="ssh-ed25519 CCCC")
    assert doors.keep(folder, [other], AT) == []
    assert doors.names(folder) == ["eval", "train"]
    assert (doors.elsewhere(folder), doors.elsewhere(folder, AT)) == ({"eval": AT}, {"train": ""})
    doors.forget(folder, "train", AT)
    doors.keep(folder, [], AT)
    assert doors.names(folder) == ["train"]
    doors.keep(folder, [])
    assert doors.names(folder) == []


def test_a_door_that_says_no_controller_is_that_of_who_asks(folder, points):
    doors.keep(folder, [TRAIN])
    file = folder / "machines" / "train.json"
    file.write_text(json.dumps({key: value for key, value in door(folder).items() if key != "controller"}))
    doors.keep(folder, [], AT)
    assert doors.names(folder) == []


def test_a_name_of_two_controllers_is_that_of_the_first_until_it_is_left(folder, points):
    doors.keep(folder, [TRAIN])
    other = replace(TRAIN, host_key="ssh-ed25519 CCCC")
    for said in (doors.keep(folder, [other], AT), doors.put(folder, other, AT), [doors.held(folder, "train", AT)]):
        assert said == [
            "ssh qwex-train is your machine of your controller here, so one of that name here is not reached by it. "
            "Choose another name, or have ssh forget that one: qwex machine leave train"
        ]
    assert door(folder)["host_key"] == TRAIN.host_key
    doors.leave(folder, "train")
    assert doors.keep(folder, [other], AT) == []
    assert "of the controller at https://qwex.example" in doors.held(folder, "train")


def test_a_controller_that_moved_has_its_machines(folder, points):
    doors.keep(folder, [TRAIN], "http://old")
    assert doors.keep(folder, [TRAIN], AT) == []
    assert door(folder)["controller"] == AT


def test_a_machine_of_ones_own_does_not_take_the_name_of_a_joined_one(folder, points):
    doors.take(folder, replace(TRAIN, user="ada"), "train")
    said = doors.keep(folder, [replace(TRAIN, host_key="ssh-ed25519 CCCC")])
    assert said[0].startswith("ssh qwex-train is ada's machine, so ")
    doors.forget(folder, "train")
    assert (door(folder)["user"], door(folder)["host_key"]) == ("ada", TRAIN.host_key)


def test_another_host_key_in_an_invitation_is_refused(folder, points):
    theirs = replace(TRAIN, user="ada")
    sharing.accept(folder, sharing.Invitation(theirs, ""), "train")
    moved = replace(theirs, door={"pod": "b"})
    sharing.accept(folder, sharing.Invitation(moved, ""), "train")
    anew = sharing.Invitation(replace(theirs, host_key="ssh-ed25519 CCCC"), "")
    with pytest.raises(Conflict, match=r"another host key .* qwex machine leave train"):
        sharing.accept(folder, anew, "train")
    assert (door(folder)["host_key"], door(folder)["door"]) == (TRAIN.host_key, {"pod": "b"})
    doors.leave(folder, "train")
    sharing.accept(folder, anew, "train")
    assert door(folder)["host_key"] == "ssh-ed25519 CCCC"


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_door_is_as_if_it_was_not_known(folder, points, text):
    doors.keep(folder, [TRAIN])
    file = folder / "machines" / "train.json"
    file.write_bytes(text)
    assert (doors.joined(folder), doors.elsewhere(folder, AT), doors.held(folder, "train", AT)) == ({}, {}, "")
    doors.put(folder, replace(TRAIN, name="eval"))
    assert read_by_ssh(folder, "qwex-train")["user"] == ["dev"]
    file.write_bytes(text)
    doors.keep(folder, [TRAIN])
    assert door(folder)["opener"] == "qwex_kueue.door:open"


def test_a_machine_made_anew_is_not_shown_the_key_of_the_one_before(folder, points, tmp_path):
    key = tmp_path / "mine"
    key.write_text("")
    doors.keep(folder, [TRAIN])
    config.use_key(folder, "train", key)
    doors.put(folder, replace(TRAIN, door={"pod": "b"}))
    assert "train.identity" in machines(folder)
    doors.put(folder, replace(TRAIN, host_key="ssh-ed25519 CCCC"))
    assert machines(folder) == ["train.json", "train.pub"]
    assert str(key) not in (folder / "config").read_text()
    files.machine_file(folder, "eval", "identity").write_text(str(key))
    doors.put(folder, replace(TRAIN, name="eval"))
    assert "eval.identity" not in machines(folder)


def test_a_broken_file_of_a_key_is_none(folder, points):
    doors.keep(folder, [TRAIN])
    files.machine_file(folder, "train", "identity").write_bytes(b'/a"\nLocalCommand x')
    doors.keep(folder, [TRAIN])
    assert "LocalCommand" not in (folder / "config").read_text()


def read_by_ssh(folder, host):
    if not shutil.which("ssh"):
        pytest.skip("ssh is not installed")
    ran = subprocess.run(["ssh", "-F", folder / "config", "-G", host], capture_output=True, text=True, check=True)
    found = {}
    for each in ran.stdout.splitlines():
        key, _, value = each.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def test_what_ssh_reads(tmp_path, points):
    folder = files.ssh_folder(tmp_path / "my 100% home")
    doors.keep(folder, [TRAIN])
    read = read_by_ssh(folder, "qwex-train")
    quoted = str(folder).replace("%", "%%")
    assert read["user"] == ["dev"]
    assert read["hostname"] == ["qwex-train"]
    assert read_by_ssh(folder, "qwex-other")["hostname"] == ["qwex-other"]
    assert read["identityfile"] == [f"{quoted}/id_ed25519"]
    assert read["identitiesonly"] == ["yes"]
    assert read["stricthostkeychecking"] in (["yes"], ["true"])
    assert read["userknownhostsfile"] == read["globalknownhostsfile"] == ["/dev/null"]
    assert read["proxycommand"] == [config.proxy_command(folder)]
    assert (read["serveraliveinterval"], read["serveralivecountmax"]) == (["15"], ["3"])
    assert read["forwardagent"] == ["no"]
    assert "proxycommand" not in read_by_ssh(folder, "other")


def test_a_key_of_the_users_own_comes_first_and_goes_with_the_machine(folder, points, tmp_path):
    key = tmp_path / "my key"
    key.write_text("")
    doors.keep(folder, [TRAIN])
    config.use_key(folder, "train", key)
    doors.keep(folder, [TRAIN])
    assert read_by_ssh(folder, "qwex-train")["identityfile"] == [str(key), str(folder / "id_ed25519")]
    assert read_by_ssh(folder, "qwex-eval")["identityfile"] == [str(folder / "id_ed25519")]
    doors.keep(folder, [])
    assert machines(folder) == []
    assert str(key) not in (folder / "config").read_text()


@pytest.mark.parametrize("name", ["none", 'quo"te'])
def test_a_key_that_ssh_could_not_use_is_refused(folder, tmp_path, name):
    (tmp_path / 'quo"te').write_text("")
    with pytest.raises(ConfigError):
        config.use_key(folder, "train", tmp_path / name)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("asked", "said", "warned"),
    [
        (("qwex-train", "NONE", "NONE"), "qwex-train ssh-ed25519 AAAA\n", False),
        (("qwex-train", "ssh-ed25519", "AAAA"), "qwex-train ssh-ed25519 AAAA\n", False),
        (("[qwex-train]:2222", "ssh-ed25519", "AAAA"), "[qwex-train]:2222 ssh-ed25519 AAAA\n", False),
        (("qwex-train", "ssh-ed25519", "BBBB"), "qwex-train ssh-ed25519 AAAA\n", True),
        (("qwex-other", "ssh-ed25519", "AAAA"), "", False),
        (("qwex-../train", "ssh-ed25519", "AAAA"), "", False),
    ],
)
def test_what_ssh_is_told_of_host_keys(folder, points, asked, said, warned):
    doors.keep(folder, [TRAIN])
    command = ["/bin/sh", folder / "known_hosts.sh", *asked]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == said
    assert ran.stderr.startswith("qwex: the machine train shows another host key") if warned else ran.stderr == ""


def test_a_name_is_here_what_it_is_there():
    assert sharing.NAME.pattern == MACHINE_NAME.pattern


@pytest.mark.parametrize(("user", "logs_in_as"), [("ada.l-1", "ada.l-1"), ("ada\n  LocalCommand x", "dev"), (1, "dev")])
def test_a_door_says_whom_to_log_in_as(folder, points, user, logs_in_as):
    doors.keep(folder, [replace(TRAIN, door={"user": user})])
    assert read_by_ssh(folder, "qwex-train")["user"] == [logs_in_as]
    assert read_by_ssh(folder, "qwex-eval")["user"] == ["dev"]


def test_a_data_folder_that_others_could_write_in_is_closed_before_a_key_is_in_it(tmp_path):
    (home := tmp_path / "home").mkdir()
    home.chmod(0o777)
    files.prepare(files.ssh_folder(home))
    assert home.stat().st_mode & 0o777 == 0o755
