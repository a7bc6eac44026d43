"""Kernels on a machine, as Jupyter's own manager and client have them: through real ssh, to a real ipykernel."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.waiting import wait_until
from jupyter_client.manager import AsyncKernelManager
from leftovers import processes_of
from sshmachine import SECONDS, command_line

from qwex.client import kernelspecs
from qwex.errors import BackendUnavailable

PID = "import os; print(os.getpid())"


def test_a_cell_runs_in_the_machine_and_ends_with_its_kernel(machine, start):
    kernel = start()
    printed, status = kernel.run("import os; print(os.environ['TMPDIR'], os.getpid(), os.getcwd())")
    assert (printed.split()[0], status) == (str(machine.temporary), "ok")
    assert machine.kernels() == [int(printed.split()[1])]
    assert printed.split()[2] == pwd.getpwuid(os.getuid()).pw_dir  # ssh's home, whatever HOME is here
    assert kernel.run("1 / 0")[1] == "error"
    kernel.client.shutdown()
    wait_until(lambda: not kernel.manager.is_alive(), "the end of the kernel", SECONDS)
    assert kernel.manager.provisioner.process.poll() == 0
    wait_until(lambda: not processes_of(machine.place), "the end of its processes", SECONDS)
    assert list(machine.temporary.iterdir()) == []


def test_nobody_else_gets_in(machine, start):
    kernel = start()
    (folder,) = machine.temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "connection.json").stat().st_mode & 0o777 == 0o600
    key = kernel.manager.session.key.decode()
    assert key in (folder / "connection.json").read_text()
    assert [line for line in map(command_line, processes_of(machine.place)) if key in line] == []


def test_input_is_asked_for_here(start):
    kernel = start()

    def answer(message):
        kernel.client.input(message["content"]["prompt"].upper())

    assert kernel.run("print(input('name?'))", allow_stdin=True, stdin_hook=answer) == ("NAME?\n", "ok")


def test_an_interrupt_ends_the_cell_and_what_it_has_started(start):
    kernel = start()
    kernel.run("import subprocess, time")
    for code in ("print('on')\nwhile True: pass", "print('on', flush=True)\nsubprocess.run(['sleep', '1000'])"):
        sent = kernel.client.execute(code, stop_on_error=False)  # else what follows at once is given up
        while "on" not in kernel.client.get_iopub_msg(SECONDS)["content"].get("text", ""):
            pass
        kernel.manager.interrupt_kernel()
        reply = kernel.client.get_shell_msg(SECONDS)
        assert reply["parent_header"]["msg_id"] == sent
        assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert kernel.run("print(1)") == ("1\n", "ok")


@pytest.mark.parametrize("now", [False, True])
def test_a_restart_is_another_kernel_in_the_same_place(machine, start, now):
    kernel = start()
    before, ports = kernel.run("mark = 1\n" + PID)[0], kernel.manager.ports
    kernel.manager.restart_kernel(now=now)
    kernel.client.wait_for_ready(SECONDS)
    after = kernel.run("print('mark' in globals())\n" + PID)[0].split()
    assert after[0] == "False"
    assert after[1] != before.strip()
    assert kernel.manager.ports == ports
    wait_until(lambda: machine.kernels() == [int(after[1])], "the end of the first kernel", SECONDS)


def test_a_cut_loses_no_output_and_no_end_of_a_cell(machine, start):
    kernel = start()
    mark, done = machine.place / "go", machine.place / "done"
    sent = kernel.client.execute(
        f"import os, time\nprint('before', flush=True)\nwhile not os.path.exists({str(mark)!r}): time.sleep(0.01)\n"
        f"for n in range(2000): print(n)\nopen({str(done)!r}, 'w').close()\n42"
    )
    while "before" not in kernel.client.get_iopub_msg(SECONDS)["content"].get("text", ""):
        pass
    machine.is_away()
    machine.cut()
    mark.touch()
    wait_until(done.exists, "the end of the cell, of which nobody can be told", SECONDS)
    assert kernel.manager.is_alive()
    machine.runs()
    told, printed = [], []
    while not told or told[-1].get("execution_state") != "idle":
        content = kernel.client.get_iopub_msg(SECONDS)["content"]
        told.append(content)
        printed.append(content.get("text", ""))
    assert "".join(printed).split() == [str(n) for n in range(2000)]
    assert [each["data"]["text/plain"] for each in told if "data" in each] == ["42"]
    reply = kernel.client.get_shell_msg(SECONDS)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (sent, "ok")


def test_cuts_in_the_middle_of_much_output(machine, start):
    kernel = start()
    kernel.client.execute("for n in range(300): print(n, 'x' * 50_000)")
    seen, printed = 0, []
    while True:
        content = kernel.client.get_iopub_msg(SECONDS)["content"]
        if text := content.get("text"):
            printed.append(text)
            seen += len(text)
            if seen > 3_000_000:
                seen = 0
                machine.cut()
        elif printed and content.get("execution_state") == "idle":
            break
    lines = "".join(printed).splitlines()
    assert [line.split()[0] for line in lines] == [str(n) for n in range(300)]
    assert {len(line.split()[1]) for line in lines} == {50_000}


def test_a_kernel_that_is_killed_there_is_dead_here(machine, start):
    kernel = start()
    (pid,) = machine.kernels()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not kernel.manager.is_alive(), "that the kernel is dead", SECONDS)
    assert kernel.manager.provisioner.process.poll() == 128 + signal.SIGKILL


def test_a_machine_that_is_stopped_ends_its_kernel_here(machine, start):
    kernel = start()
    machine.stops()
    machine.cut()
    wait_until(lambda: not kernel.manager.is_alive(), "that the kernel is dead", SECONDS)
    with pytest.raises(BackendUnavailable, match="Start it with: qwex machine start train"):
        kernel.manager.restart_kernel()
    machine.runs()
    (left,) = machine.kernels()
    os.kill(left, signal.SIGKILL)  # the machine is not truly stopped
    for pid in processes_of(machine.temporary):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGHUP, signal.SIGTERM)])
def test_a_keeper_that_is_told_to_end_leaves_nothing(machine, start, signals):
    kernel = start()
    kernel.run("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)")  # it has to be ended by force
    (pid,) = machine.kernels()
    keeper = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    machine.is_away()  # who comes back to a dead keeper removes what it has left
    for number in signals:
        os.kill(keeper, number)
    wait_until(lambda: not processes_of(machine.temporary), "the end of its processes", SECONDS)
    assert list(machine.temporary.iterdir()) == []
    machine.runs()
    wait_until(lambda: not kernel.manager.is_alive(), "that the kernel is dead", SECONDS)


def test_an_idle_kernel_needs_no_connection_and_a_busy_one_keeps_it(machine, start, monkeypatch):
    monkeypatch.setenv("QWEX_KERNEL_REST", "0.3")
    kernel = start()
    mark = machine.place / "go"
    wait_until(lambda: not machine.is_connected(), "that the connection is let go", SECONDS)
    code = f"import os, time\nwhile not os.path.exists({str(mark)!r}): time.sleep(0.01)\nprint('done')"
    kernel.client.execute(code)
    wait_until(machine.is_connected, "that there is a connection", SECONDS)
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        assert machine.is_connected()
    mark.touch()
    while "done" not in kernel.client.get_iopub_msg(SECONDS)["content"].get("text", ""):
        pass
    wait_until(lambda: not machine.is_connected(), "that the connection is let go again", SECONDS)
    assert kernel.manager.is_alive()
    assert kernel.run("print(1)") == ("1\n", "ok")


def test_one_that_is_killed_here_is_ended_there(machine, start):
    kernel = start()
    kernel.manager.provisioner.process.kill()
    wait_until(lambda: not machine.kernels(), "the end of the kernel in the machine", SECONDS)


def test_a_front_end_without_provisioners(machine, start):
    kernel = start(provisioned=False)
    assert type(kernel.manager.provisioner).__name__ == "LocalProvisioner"
    assert kernel.run("print(1)") == ("1\n", "ok")
    kernel.manager.shutdown_kernel(now=True)
    wait_until(lambda: not machine.kernels(), "the end of the kernel in the machine", SECONDS)


def test_modules_beside_the_notebook_are_not_ours(machine, start, monkeypatch):
    (machine.home / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(machine.home)
    assert start().run("print(1)") == ("1\n", "ok")


def test_two_at_once(machine, provisioned, monkeypatch):
    async def both():
        managers = [AsyncKernelManager(kernel_name="qwex-machine-train") for _ in range(2)]
        await asyncio.gather(*(manager.start_kernel() for manager in managers))
        printed = await asyncio.gather(*map(_pid, managers))
        await asyncio.gather(*(manager.shutdown_kernel() for manager in managers))
        return printed

    assert len(set(asyncio.run(both()))) == 2


async def _pid(manager):
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(SECONDS)
    printed = []
    await client.execute_interactive(PID, output_hook=lambda said: printed.append(said["content"].get("text")))
    client.stop_channels()
    return next(filter(None, printed))


def test_no_ipykernel_is_said_with_what_to_do(machine, start):
    bare = machine.place / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    kernelspecs.install(machine.folder, "train", str(bare / "bin" / "python"))
    with pytest.raises(BackendUnavailable, match=r"has no ipykernel\. Install it with: qwex machine kernel train"):
        start()


def test_no_such_python_is_said(machine, start):
    kernelspecs.install(machine.folder, "train", "python4")
    with pytest.raises(BackendUnavailable, match="the machine train has no program python4"):
        start()


def test_a_machine_that_is_stopped_is_said(machine, start):
    machine.stops()
    with pytest.raises(BackendUnavailable) as raised:
        start()
    assert str(raised.value) == "the machine train is stopped. Start it with: qwex machine start train"


def test_a_kernel_that_cannot_start_says_why(machine, start):
    broken = machine.place / "broken" / "ipykernel_launcher.py"
    broken.parent.mkdir()
    broken.write_text("raise SystemExit('the disk is full')")
    with (machine.place / "sshd_config").open("a") as config:
        config.write(f"SetEnv PYTHONPATH={broken.parent}\n")
    config = machine.place / "sshd_config"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if "SetEnv" not in line))
    with config.open("a") as file:
        file.write(f"\nSetEnv PYTHONPATH={broken.parent} TMPDIR={machine.temporary}\n")
    with pytest.raises(BackendUnavailable, match="ended while it started: the disk is full"):
        start()
