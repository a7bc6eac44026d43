"""The user's own ssh through the door of a machine, to a real server."""

from __future__ import annotations

import getpass
import os
import select
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from qwex.client.ssh import config, doors, files
from qwex.client.ssh.include import line
from qwex.machines import MachineRecord, MachineState

SSHD = Path("/usr/sbin/sshd")
TESTS = Path(__file__).parent.parent


def record(name, door, host_key):
    return MachineRecord(f"{name}-abc", name, "me", "test", MachineState.RUNNING, 0.0, door=door, host_key=host_key)


def keygen(file):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True)
    return Path(f"{file}.pub").read_text().strip()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine named train behind a real server, in a folder whose name is not a plain one."""
    for program in ("ssh", "scp", "ssh-keygen"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if not SSHD.exists():
        pytest.skip(f"{SSHD} is not installed")
    if os.getuid() == 0 and not os.path.isdir("/run/sshd"):
        pytest.skip("/run/sshd, which a server that root starts needs, is not there")
    monkeypatch.setattr(doors, "_opener", lambda provider: f"ssh_doors:{provider}")
    folder = files.ssh_folder(tmp_path / "my 100% home")
    made = Machine(tmp_path, folder)
    made.put()
    return made


class Machine:
    def __init__(self, place, folder):
        self.place, self.folder = place, folder
        (place / "keys").write_text(files.public_key(folder))
        self.host_key = keygen(place / "host")
        self.conf = place / "sshd_config"
        self.conf.write_text(
            f"HostKey {place}/host\nAuthorizedKeysFile {place}/keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nSubsystem sftp internal-sftp\nPidFile none\n"
        )
        self.door = {"command": [str(SSHD), "-i", "-f", str(self.conf)]}
        # The account here has another name than that in a machine.
        self.outer = place / "config"
        self.outer.write_text(f"User {getpass.getuser()}\n{line(folder)}\n")

    def put(self, provider="sshd", host_key=""):
        made = record("train", self.door, host_key or self.host_key)
        doors.keep(self.folder, [MachineRecord(**{**vars(made), "provider": provider})])

    def start(self, *words, program="ssh", options=()):
        env = {**os.environ, "HOME": str(self.place), "SHELL": "/bin/sh"}
        env["PYTHONPATH"] = os.pathsep.join([str(TESTS), *sys.path])
        command = [program, "-F", str(self.outer), "-o", "BatchMode=yes", *options, *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=env)

    def run(self, *words, program="ssh", options=()):
        with self.start(*words, program=program, options=options) as ran:
            out, err = ran.communicate(timeout=60)
        return SimpleNamespace(code=ran.returncode, out=out, err=err)


def test_a_command(machine):
    ran = machine.run("qwex-train", "echo $((6 * 7)); echo no >&2; exit 3")
    assert (ran.code, ran.out, ran.err) == (3, "42\n", "no\n")


def test_another_port_is_the_same_machine(machine):
    assert machine.run("-p", "2222", "qwex-train", "true").code == 0


def test_what_the_user_has_for_all_hosts_does_not_matter(machine):
    with machine.outer.open("a") as file:
        file.write("Host *\n  ProxyJump nowhere\n  HostName nowhere.invalid\n  Port 99\n  HostKeyAlgorithms +ssh-rsa\n")
        file.write("  CanonicalizeHostname always\n  CanonicalDomains invalid\n  StrictHostKeyChecking no\n")
    assert machine.run("qwex-train", "true").code == 0


def test_modules_in_the_folder_where_ssh_is_called_are_not_ours(machine, monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert machine.run("qwex-train", "true").code == 0


def test_another_host_key_is_refused_and_explained(machine, tmp_path):
    machine.put(host_key=keygen(tmp_path / "other"))
    ran = machine.run("qwex-train", "true")
    assert ran.code == 255
    assert ran.err.count("qwex: the machine train shows another host key than the one it was made with") == 1
    assert "qwex machine list takes its new one" in ran.err
    machine.put()
    assert machine.run("qwex-train", "true").code == 0


def test_a_machine_whose_key_is_not_known_is_refused(machine):
    files.machine_file(machine.folder, "train", "pub").unlink()
    ran = machine.run("qwex-train", "true")
    assert ran.code == 255
    assert "Host key verification failed" in ran.err


def test_an_older_ssh_reads_the_host_keys_from_a_file(machine, monkeypatch, tmp_path):
    (tmp_path / "ssh").write_text("#!/bin/sh\necho OpenSSH_8.2p1 Ubuntu-4ubuntu0.9, OpenSSL 1.1.1f >&2\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    machine.put()
    assert "KnownHostsCommand" not in (machine.folder / "config").read_text()
    monkeypatch.undo()
    assert machine.run("qwex-train", "true").code == 0
    (machine.folder / "known_hosts").write_text(f"qwex-train {keygen(tmp_path / 'other')}\n")
    assert machine.run("qwex-train", "true").code == 255


def test_the_proxy_ends_with_ssh(machine, tmp_path):
    if not hasattr(os, "pidfd_open"):
        pytest.skip("os.pidfd_open is not there")
    machine.door["pid"] = str(tmp_path / "pid")
    machine.put()
    ssh = machine.start("qwex-train", "echo started; exec sleep 1000")
    with ssh:
        assert ssh.stdout.readline() == "started\n"
        proxy = os.pidfd_open(int((tmp_path / "pid").read_text()))
        ssh.kill()
    assert select.select([proxy], [], [], 30)[0]
    os.close(proxy)


def test_a_stopped_machine_says_so(machine):
    machine.put("stopped")
    ran = machine.run("qwex-train", "true")
    assert ran.code == 255
    assert ran.err.startswith("qwex: the machine train is stopped. Start it with: qwex machine start train\n")


def test_a_machine_that_is_not_there_says_so(machine):
    machine.put("absent")
    ran = machine.run("qwex-train", "true")
    assert ran.code == 255
    assert ran.err.startswith("qwex: there is no pod of that name. See: qwex machine status train\n")
    ran = machine.run("qwex-other", "true")
    assert ran.err.startswith("qwex: there is no machine other here. See them with: qwex machine list\n")


def test_a_key_of_the_users_own(machine, tmp_path):
    (machine.place / "keys").write_text(keygen(tmp_path / "mine"))
    assert machine.run("qwex-train", "true").code == 255
    config.use_key(machine.folder, "train", tmp_path / "mine")
    assert machine.run("qwex-train", "true").code == 0
    config.use_key(machine.folder, "train", None)
    assert machine.run("qwex-train", "true").code == 255


def test_ten_at_once(machine):
    with ThreadPoolExecutor(10) as pool:
        ran = list(pool.map(lambda n: machine.run("qwex-train", f"echo {n}; exit {n}"), range(10)))
    assert [(each.code, each.out) for each in ran] == [(n, f"{n}\n") for n in range(10)]


@pytest.mark.parametrize("options", [(), ("-O",)])
def test_fifty_megabytes_arrive_whole_both_ways(machine, tmp_path, options):
    data = os.urandom(50_000_000)
    (tmp_path / "sent").write_bytes(data)
    there = f"qwex-train:{tmp_path}/there"
    assert machine.run(str(tmp_path / "sent"), there, program="scp", options=options).code == 0
    assert (tmp_path / "there").read_bytes() == data
    assert machine.run(there, str(tmp_path / "back"), program="scp", options=options).code == 0
    assert (tmp_path / "back").read_bytes() == data
