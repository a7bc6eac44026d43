"""Machines of this computer beside its jobs: one queue, one end for all in them, and plain shells without ssh."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from qwex_local.door import connect
from qwex_local.machines import provider as provider_module
from qwex_local.machines import sshd
from qwex_local.machines.box import Box
from qwex_local.machines.holder import session
from qwex_local.machines.provider import LocalMachines
from qwex_local.machines.request import entry_of

from qwex.door import DoorError
from qwex.errors import BackendUnavailable, InvalidSpec
from qwex.machine import MachineContext, MachineState
from qwex.runner.processes import descendants
from qwex.testing.machine.driver import Keys, MachineDriver

pytestmark = pytest.mark.anyio

OPENER = "qwex_local.door:connect"
needs_sshd = pytest.mark.skipif(
    not sshd.find() or (os.getuid() == 0 and not os.path.isdir("/run/sshd")),
    reason="needs OpenSSH's server, and where root runs the tests the folder /run/sshd",
)


@pytest.fixture
async def machines(local, home, tmp_path):
    """Makes drivers of providers over the backend ``local``."""
    made = []

    async def make(below="my 100% home", **settings):
        watched = await local(**{"gpus": 2, **settings})
        (home / below).mkdir(exist_ok=True)
        context = MachineContext(home / below, {}, watched.backend)
        driver = MachineDriver(lambda _: LocalMachines(context), None, 30, {}, Keys.made(tmp_path))
        made.append(await driver.__aenter__())
        driver.local = watched
        return driver

    yield make
    for driver in made:
        await driver.__aexit__()


def holder_of(driver, native_id):
    return json.loads((driver.provider.context.folder / native_id / "ready.json").read_text())["pid"]


async def until_gone(driver, pids):
    """Until none of the processes is there any more."""

    async def gone():
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            await asyncio.sleep(0.02)

    await driver.bounded(gone(), f"{pids} end")


def test_the_door_is_light():
    script = "import qwex_local.door, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"asyncio", "pydantic", "httpx", "sqlite3", "qwex.client", "qwex_local.backend"} & set(loaded)


@needs_sshd
async def test_a_machine_waits_for_a_job_and_a_job_for_a_machine(machines):
    driver = await machines()
    job = await driver.local.submit("import time\ntime.sleep(100)", resources={"cpu": "2"})
    await driver.local.until(job, "RUNNING")
    train = await driver.start(driver.plan("train"))
    await driver.until(train, MachineState.QUEUED)
    why = await driver.provider.explain(train)
    assert (why.reason, why.position) == ("WaitingForQuota", 1)
    assert "waits for 1 core: 2 of 2 in use" in why.summary
    assert await driver.provider.preflight(driver.plan("other")) is not None
    await driver.local.backend.cancel(job)
    await driver.until_is(train, MachineState.RUNNING)
    waits = await driver.local.submit("pass", resources={"cpu": "2"})
    await driver.local.until(waits, "QUEUED")
    await driver.stopped(train)
    assert (await driver.local.ended(waits)).state == "SUCCEEDED"
    assert await driver.provider.preflight(driver.plan("other")) is None


@needs_sshd
async def test_it_sees_its_own_gpus_and_an_environment_of_its_own(machines):
    driver = await machines()
    first = await driver.running(driver.plan(resources={"gpu": "H100:2,1", "cpu": "0.5"}))
    second = await driver.running(driver.plan("second", resources={"gpu": "1", "cpu": "0.5"}))
    none = await driver.running(driver.plan(resources={"cpu": "0.5"}))
    seen = 'echo "$CUDA_VISIBLE_DEVICES:$QWEX_MACHINE:$HOME:$PWD"'
    home = driver.provider.context.folder / second / "home"
    said = [(await driver.ssh(each, seen, OPENER)).out for each in (first, second, none)]
    assert said[0].startswith("0:")
    assert said[1] == f"1:second:{home}:{home}\n"
    assert said[2].startswith(":")


@needs_sshd
async def test_one_of_higher_priority_takes_its_place_and_it_comes_back(machines):
    driver = await machines()
    train = await driver.running(driver.plan())
    shell = await driver.begin_ssh(train, "echo here > note; echo begun; exec cat", OPENER, options=("-tt",))
    assert b"begun" in await driver.bounded(shell.stdout.readline(), "the shell begins")
    urgent = await driver.local.submit("pass", resources={"cpu": "2"}, priority=5)
    back = await driver.until(train, MachineState.QUEUED, after=len(driver.moves(train)))
    assert back.reason == "Preempted"
    said, _ = await driver.bounded(shell.communicate(), "the connection ends")
    assert b"stops now (a job of higher priority takes its place)" in said
    assert (await driver.local.ended(urgent)).state == "SUCCEEDED"
    again = await driver.until_is(train, MachineState.RUNNING)
    assert again.run == 2
    assert (await driver.ssh(train, "cat note", OPENER)).out == "here\n"
    await driver.stopped(train)
    assert (await driver.status(await driver.running(driver.plan(train.rpartition("-")[0])))).run == 3


@needs_sshd
async def test_another_python_ends_none_that_runs(machines, tmp_path, monkeypatch):
    """As after an upgrade: a start that is repeated finds what its user asked for."""
    driver = await machines()
    train = await driver.running(plan := driver.plan())
    pid = holder_of(driver, train)
    (other := tmp_path / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(other))
    assert await driver.start(plan) == train
    assert holder_of(driver, train) == pid
    assert (await driver.status(train)).run == 1


async def test_what_is_not_read_of_a_change_is_told_a_little_later(machines, monkeypatch):
    driver = await machines()
    found, times = LocalMachines._found, iter(range(2))

    async def busy(self, box):
        if box.asked() and next(times, None) is not None:
            raise OSError(errno.EMFILE, "Too many open files")
        return await found(self, box)

    monkeypatch.setattr(provider_module, "_LATER", 0.01)
    train = await driver.start(driver.plan())
    monkeypatch.setattr(LocalMachines, "_found", busy)
    await driver.until(train, MachineState.RUNNING)


@needs_sshd
async def test_what_was_left_in_the_background_ends_with_it(machines):
    driver = await machines()
    train = await driver.running(driver.plan())
    await driver.ssh(train, "nohup setsid sh -c 'trap : HUP TERM; while :; do sleep 1; done' > log 2>&1 &", OPENER)
    left = descendants(holder_of(driver, train))
    assert left
    await driver.stopped(train)
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]


@needs_sshd
@pytest.mark.parametrize("killed", ["holder", "supervisor"])
async def test_one_that_is_killed_has_failed_and_leaves_no_process(machines, killed):
    driver = await machines()
    train = await driver.running(plan := driver.plan())
    shell = await driver.begin_ssh(train, "echo begun; exec sleep 1000", OPENER)
    assert b"begun" in await driver.bounded(shell.stdout.readline(), "the shell begins")
    holder = holder_of(driver, train)
    below = [holder, *descendants(holder)]
    parent = int(Path(f"/proc/{holder}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(holder if killed == "holder" else parent, signal.SIGKILL)
    failed = await driver.until_is(train, MachineState.FAILED)
    assert "process" in failed.message
    await until_gone(driver, below)
    await driver.bounded(shell.communicate(), "the connection ends")
    await driver.running(plan)


async def test_one_that_is_made_again_at_once_is_not_taken_for_the_one_before(machines):
    driver = await machines(sshd="")
    for _ in range(5):
        train = await driver.running(plan := driver.plan("train"))
        holder = holder_of(driver, train)
        await driver.delete(train, purge=False)
        assert not Path(f"/proc/{holder}").exists()
    assert await driver.running(plan) == train
    assert {status.state for status in driver.moves(train)} & {MachineState.FAILED} == set()


async def holders(driver, pids, entries):
    """Those of the processes that are there, and what the queue has of the machine that has not ended."""
    named = await driver.local.backend.named(entries)
    live = [entry for entry, job in named.items() if not job.state.terminal]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()], live


@pytest.mark.parametrize("lost", ["asked.json", "."])
@pytest.mark.parametrize("then", ["stop", "delete", "start"])
async def test_one_whose_files_are_lost_still_gives_its_place_back(machines, tmp_path, lost, then):
    driver = await machines(sshd="")
    train = await driver.running(plan := driver.plan("train"))
    first, folder = holder_of(driver, train), driver.provider.context.folder / train
    (folder / lost).rename(tmp_path / "lost")
    told = await driver.status(train)
    assert told.state in (MachineState.RUNNING, MachineState.STARTING)
    assert f"{folder / 'asked.json'} is lost. Stop and start the machine: it is made anew" in told.message
    if then == "stop":
        await driver.stopped(train)
    elif then == "delete":
        await driver.delete(train, purge=False)
        assert await driver.status(train) is None
    else:
        await driver.running(plan)
        assert (await driver.status(train)).run == 2
    still, live = await holders(driver, [first], f"machine.{train}.")
    assert (still, len(live)) == ([], int(then == "start"))
    await driver.running(plan)
    assert len((await holders(driver, [], f"machine.{train}."))[1]) == 1


async def test_one_that_was_started_twice_ends_whole(machines, tmp_path):
    driver = await machines(sshd="")
    train = await driver.running(plan := driver.plan("train", resources={"cpu": "0.5"}))
    folder, entries = driver.provider.context.folder / train, f"machine.{train}."
    (entry,) = await driver.local.backend.named(entries)
    twice = entry_of(driver.provider.render(plan), f"{entries}ffffffff", 1)
    await driver.local.backend.submit(twice)
    await driver.local.until(twice.run_id, "RUNNING")
    (folder / "asked.json").unlink()
    assert set((await holders(driver, [], entries))[1]) == {entry, twice.run_id}
    await driver.running(plan)
    (live,) = (await holders(driver, [], entries))[1]
    assert set(await driver.local.backend.named(entries)) == {live}
    await driver.delete(train, purge=True)
    assert await driver.local.backend.named(entries) == {}


WRONG = {
    "no JSON": b"{",
    "nothing": b"",
    "wrong types": b'{"entry": 5, "run": "x", "shape": "", "up": 1, "ssh": null}',
    "a list": b"[1]",
    "another encoding": "é".encode("latin-1"),
    "much too deep": b"[" * 100_000,
    "another machine's": b'{"entry": "machine.other-9pe6rj.1", "run": "", "shape": "", "up": true, "ssh": false}',
    "a folder": None,
}


@pytest.mark.parametrize("file", ["asked.json", "ready.json", "activity.json"])
async def test_a_damaged_file_costs_its_machine_alone(machines, file):
    driver = await machines(sshd="")
    train = await driver.running(plan := driver.plan("train", resources={"cpu": "0.5"}))
    other = await driver.running(driver.plan("other", resources={"cpu": "0.5"}))
    damaged, held = driver.provider.context.folder / train / file, holder_of(driver, train)
    door = driver.provider.door(train)
    for how, text in WRONG.items():
        damaged.unlink(missing_ok=True)
        damaged.mkdir() if text is None else damaged.write_bytes(text)
        later = LocalMachines(driver.provider.context)
        await later.open()
        said = await later.status([train, other])
        assert (said[other].state, said[other].message) == (MachineState.RUNNING, ""), how
        assert (await later.activity(train), later.door(train)) == (None, door), how
        if file != "activity.json":
            assert f"{damaged} is damaged (" in said[train].message, how
            assert "Stop and start the machine: it is made anew, with its home" in said[train].message, how
        await later.close()
    await driver.stopped(train)
    assert not Path(f"/proc/{held}").exists()
    again = await driver.status(await driver.running(plan))
    assert (again.run, again.message) == (2, "")


async def test_one_of_which_nothing_can_be_read_says_so_until_it_is_started(machines):
    driver = await machines(sshd="")
    folder = driver.provider.context.folder
    train, other = await driver.running(plan := driver.plan("train")), await driver.running(driver.plan("other"))
    await driver.stopped(train)
    for entry in await driver.local.backend.named(f"machine.{train}."):
        await driver.local.backend.forget(entry)
    (folder / train / "asked.json").write_text("{")
    told = await driver.provider.status([train, other])
    assert (told[train].state, told[other].state) == (MachineState.FAILED, MachineState.RUNNING)
    assert f"{folder / train / 'asked.json'} is damaged (Invalid JSON: " in told[train].message
    (folder / train / "owner").write_bytes(b"\xff")
    with pytest.raises(BackendUnavailable, match=r"/owner is damaged \(not UTF-8\)\. Write into it whose"):
        await driver.start(plan)
    (folder / train / "owner").write_text("kit")
    await driver.running(plan)


async def test_what_another_version_of_qwex_has_written_is_named_of_that_machine_alone(machines):
    driver = await machines(sshd="")
    train, other = await driver.running(driver.plan("train")), await driver.running(driver.plan("other"))
    asked = driver.provider.context.folder / train / "asked.json"
    known = asked.read_text()
    asked.write_text(json.dumps({**json.loads(known), "later": 1}))
    later = LocalMachines(driver.provider.context)
    await later.open()
    said = await later.status([train, other])
    assert {said[each].state for each in (train, other)} == {MachineState.RUNNING}
    assert (str(asked) in said[train].message, said[other].message) == (True, "")
    await later.close()
    asked.write_text(known)


@pytest.mark.parametrize("link", ["home", "."])
async def test_what_a_link_points_at_outlives_the_purge_as_it_was(machines, tmp_path, link):
    driver = await machines(sshd="")
    train = await driver.running(driver.plan())
    await driver.stopped(train)
    elsewhere, place = tmp_path / "elsewhere", driver.provider.context.folder / train / link
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    (elsewhere / "models").mkdir(mode=0o755)
    (elsewhere / "models" / "weights").write_text("mine")
    (elsewhere / "models").chmod(0o555)
    await driver.delete(train, purge=True)
    assert not (driver.provider.context.folder / train).is_symlink()
    assert not (driver.provider.context.folder / train).exists()
    assert (elsewhere / "models").stat().st_mode & 0o777 == 0o555
    assert (elsewhere / "models" / "weights").read_text() == "mine"


async def test_what_cannot_be_written_is_told_in_words(machines, monkeypatch):
    driver = await machines(sshd="")

    def fails(*_):
        raise OSError("there are too many files")

    monkeypatch.setattr(Box, "prepare", fails)
    with pytest.raises(BackendUnavailable, match=r"^there are too many files$"):
        await driver.start(driver.plan("train"))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (lambda part: part.symlink_to("/dev/full"), "No space left on device. Make room on that disk and try again"),
        (lambda part: (part.parent / "limits.json" / "mine").mkdir(parents=True), "Directory not empty. Move what is"),
    ],
)
async def test_what_cannot_be_changed_names_the_file_and_what_to_do(machines, part, words):
    driver = await machines(sshd="")
    await driver.running(driver.plan("train"))
    changed = driver.provider.render(driver.plan("train", idle="4h"))
    file = driver.provider.context.folder / changed.machine_id / "limits.json"
    known = file.read_text()
    file.unlink()
    part(file.with_name(".limits.json"))
    with pytest.raises(BackendUnavailable, match=re.escape(f"{file}: {words}")):
        await driver.provider.update(changed)
    assert not file.with_name(".limits.json").is_symlink()
    if file.is_dir():
        (file / "mine").rmdir()
    await driver.provider.update(changed)
    assert file.read_text() != known


@needs_sshd
async def test_a_home_far_down_has_a_door(machines):
    driver = await machines(below="x" * 120)
    train = await driver.running(driver.plan())
    assert len(driver.provider.door(train)["folder"]) > 120
    assert (await driver.ssh(train, "exit 3", OPENER)).code == 3


@needs_sshd
async def test_another_port_is_one_of_this_computer(machines):
    driver = await machines()
    train = await driver.running(driver.plan())
    server = await asyncio.start_server(lambda _, writer: (writer.write(b"hello"), writer.close()), "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    read, write = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    await asyncio.to_thread(connect(driver.provider.door(train), port).relay, nothing, write)
    assert os.read(read, 100) == b"hello"
    server.close()
    await server.wait_closed()
    with pytest.raises(DoorError, match=f"nobody listens on port {port}"):
        connect(driver.provider.door(train), port)
    await driver.stopped(train)
    with pytest.raises(DoorError, match="does not run") as away:
        connect(driver.provider.door(train), port)
    assert away.value.absent
    for fd in (read, write, nothing):
        os.close(fd)


def ask(folder, *words):
    """The command of a plain shell, in a process of its own."""
    code = "import sys; from qwex_local.shell import shell; sys.exit(shell({'folder': sys.argv[1]}, sys.argv[2:]))"
    return [sys.executable, "-c", code, str(folder), *words]


async def shown(terminal, wanted):
    """What the terminal shows, up to ``wanted`` or to the end of who has it."""
    said = b""
    while wanted not in said:
        await anyio.wait_readable(terminal)
        try:
            said += os.read(terminal, 9999)
        except OSError:
            break
    return said


async def test_without_an_ssh_server_there_are_plain_shells(machines):
    driver = await machines(sshd="")
    train = await driver.running(driver.plan(env={"GREETING": "hi"}))
    door = driver.provider.door(train)
    assert door["ssh"] is False
    with pytest.raises(DoorError, match="Install OpenSSH's server"):
        connect(door, 2222)
    words = ask(door["folder"], "tr a-z A-Z; echo $GREETING; pwd; exit 3")
    ran = await asyncio.to_thread(subprocess.run, words, input="abc", capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (3, f"ABChi\n{door['home']}\n")


@pytest.mark.parametrize("shell", list(filter(None, map(shutil.which, ("dash", "bash", "mksh", "zsh")))))
@pytest.mark.parametrize("name", ["OPTIND", "UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO"])
def test_a_session_begins_whatever_it_is_told_of_a_shells_own_variables(tmp_path, name, shell):
    (tmp_path / "home").mkdir()
    session(tmp_path, {"name": "train", "env": {name: "x", "GREETING": "a 'b' $c"}})
    (tmp_path / "sh").symlink_to(shell)
    asked = {"SHELL": shutil.which("bash") or shell, "SSH_ORIGINAL_COMMAND": 'printf %s:%s "$GREETING" "$PWD"'}
    ran = subprocess.run(
        [tmp_path / "sh", tmp_path / "session"], env=asked, capture_output=True, text=True, check=False
    )
    assert ran.stdout == f"a 'b' $c:{tmp_path / 'home'}"


async def test_a_plain_shell_has_a_terminal_and_is_told_of_the_end(machines):
    driver = await machines(sshd="")
    train = await driver.running(driver.plan())
    pid, terminal = pty.fork()
    if pid == 0:
        words = ask(driver.provider.door(train)["folder"])
        os.execv(words[0], words)
    try:
        os.write(terminal, b"stty -echo; tty && echo in $((40 + 2))\n")
        said = await driver.bounded(shown(terminal, b"in 42"), "the shell answers")
        assert b"/dev/pts/" in said
        await driver.provider.stop(train, "it was idle")
        said = await driver.bounded(shown(terminal, b"never"), "the shell ends")
        assert b"this machine stops now (it was idle). Its home is kept." in said
    finally:
        os.close(terminal)
        await driver.bounded(asyncio.to_thread(os.waitpid, pid, 0), "the client ends")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"image": "debian"}, "image"),
        ({"storage_class": "fast"}, "storage_class"),
        ({"keys": ()}, "keys"),
        ({"password": "$2b$12$abcdefghijklmnopqrstuv"}, "password"),
        ({"queue": "nowhere"}, "queue"),
        ({"resources": {"cpu": "3"}}, "resources.cpu"),
        ({"resources": {"gpu": "H100,4"}}, "resources.gpu"),
    ],
)
async def test_what_this_computer_has_not_is_refused(machines, fields, field):
    driver = await machines()
    with pytest.raises(InvalidSpec) as caught:
        driver.provider.render(driver.plan(**fields))
    assert [problem[0] for problem in caught.value.problems] == [field]


async def test_a_server_that_cannot_be_used_is_named_and_nothing_stays(machines, tmp_path):
    broken = tmp_path / "sshd"
    broken.write_text("#!/bin/sh\necho Missing privilege separation directory: /run/nowhere >&2\nexit 255\n")
    broken.chmod(0o755)
    driver = await machines(sshd=str(broken))
    plan = driver.plan()
    with pytest.raises(InvalidSpec, match="mkdir /run/nowhere"):
        await driver.provider.start(driver.provider.render(plan))
    assert await driver.status(plan.machine_id) is None
    assert not (driver.provider.context.folder / plan.machine_id).exists()
