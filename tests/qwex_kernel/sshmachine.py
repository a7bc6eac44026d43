"""A machine behind a real ssh server on this one, and kernels in it."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

from leftovers import processes_of

from qwex.client.ssh import doors, files
from qwex.machines import MachineRecord, MachineState

SSHD = Path("/usr/sbin/sshd")
SECONDS = 30


class Machine:
    """A machine named train, whose home, ``folder`` and kernels are in one place on this machine."""

    def __init__(self, place):
        self.place = place
        self.home = place / "home"
        self.temporary = place / "tmp"
        self.home.mkdir()
        self.temporary.mkdir()
        self.folder = files.ssh_folder(place / "q")
        (place / "keys").write_text(files.public_key(self.folder))
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", place / "host"], check=True)
        (place / "sshd_config").write_text(
            f"HostKey {place}/host\nAuthorizedKeysFile {place}/keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            f"PasswordAuthentication no\nPidFile none\nSetEnv TMPDIR={self.temporary} IPYTHONDIR={place}/ipython "
            f"JUPYTER_RUNTIME_DIR={place}/run\n"
        )
        self.runs()

    def runs(self):
        """Who connects finds the server."""
        self._put("sshd", [str(SSHD), "-i", "-f", str(self.place / "sshd_config")])

    def stops(self):
        """Who connects is told that the machine is stopped."""
        self._put("stopped", [])

    def is_away(self):
        """Who connects hears nothing of why."""
        self._put("broken", [])

    def _put(self, opener, command):
        host_key = (self.place / "host.pub").read_text().strip()
        door = {"command": command, "pid": str(self.place / "proxy")}
        state = MachineState.RUNNING
        record = MachineRecord("train-abc", "train", "me", opener, state, 0.0, door=door, host_key=host_key)
        doors.keep(self.folder, [record])
        config = self.folder / "config"
        # The account here has another name than that in a machine.
        config.write_text(f"User {getpass.getuser()}\n{config.read_text()}")

    def kernels(self):
        """The processes of kernels in the machine."""
        return [pid for pid in processes_of(self.temporary) if "ipykernel_launcher" in command_line(pid)]

    def is_connected(self):
        """Whether a process of ssh's is there."""
        return any(command_line(pid).startswith("ssh ") for pid in processes_of(self.place))

    def cut(self):
        """End the present connection, as a network that breaks does."""
        os.kill(int((self.place / "proxy").read_text()), 9)


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


class Kernel:
    """A kernel on the machine, and a client that is connected to it."""

    def __init__(self, manager):
        self.manager = manager
        self.client = None

    def connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(SECONDS)

    def run(self, code, **more):
        """What that prints, and how it ended."""
        printed = []

        def hear(message):
            content = message["content"]
            printed.append(content.get("text") or content.get("data", {}).get("text/plain") or "")

        reply = self.client.execute_interactive(code, output_hook=hear, timeout=SECONDS, **more)
        return "".join(printed), reply["content"]["status"]

    def close(self):
        if self.client:
            self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
