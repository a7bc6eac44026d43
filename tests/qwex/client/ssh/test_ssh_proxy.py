"""The process that ssh starts: what it carries, what it says, and what it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import qwex.client
from qwex import config
from qwex.client.ssh.config import _START
from qwex.client.ssh.proxy import _asked, explained

HERE = Path(__file__).parent
#: What would be felt at each connection.
HEAVY = {"asyncio", "pydantic", "importlib.metadata", "dataclasses", "inspect", "subprocess", "ssl", "logging"}


@pytest.fixture
def proxy(tmp_path):
    """Runs the proxy for a machine with this opener."""
    folder = tmp_path / "ssh"
    (folder / "machines").mkdir(parents=True)

    def run(opener: str | None = None, host: str = "qwex-train", said: bytes = b"", door: object = "x"):
        if opener is not None:
            kept = {"id": "train-abc", "name": "train", "provider": "kueue", "opener": opener, "door": {"a": door}}
            (folder / "machines" / "train.json").write_text(json.dumps(kept if door else {**kept, "door": {}}))
        command = [sys.executable, "-c", _START, str(folder), host]
        path = os.pathsep.join([str(HERE.parent), *sys.path])
        env = {**os.environ, "PYTHONPATH": path, "HOME": str(tmp_path)}
        return subprocess.run(command, input=said, capture_output=True, env=env, timeout=60)

    return run


def test_what_is_said_arrives_after_the_end_of_the_input_too(proxy):
    ran = proxy("ssh_doors:echo", said=b"hello\n")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"2222\nHELLO\n", b"")


@pytest.mark.parametrize("host", ["qwex-train", "train", "qwex-../train", "qwex-", "qwex-a/b", "qwex-é"])
def test_a_machine_that_is_not_there(proxy, host):
    ran = proxy(host=host)
    assert ran.returncode == 255
    assert ran.stderr.startswith(b"qwex: there is no machine ")
    assert ran.stderr.endswith(b" here. See them with: qwex machine list\n")
    assert ran.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("opener", "said"),
    [
        ("ssh_doors:broken", "the cluster at 10.0.0.1 does not answer. See: qwex machine status train"),
        ("ssh_doors:absent", "there is no pod of that name. See: qwex machine status train"),
        (
            "",
            "what reaches the machine train (kueue) is not installed here. Install it with: pip install 'qwex[kueue]'",
        ),
        (
            "no_such:door",
            "what reaches the machine train (kueue) cannot be loaded here (No module named 'no_such'). "
            "Install it with: pip install 'qwex[kueue]'",
        ),
        (
            "ssh_doors:none",
            "what reaches the machine train (kueue) cannot be loaded here "
            "(module 'ssh_doors' has no attribute 'none'). "
            "Install it with: pip install 'qwex[kueue]'",
        ),
        ("ssh_doors:stopped", "the machine train is stopped. Start it with: qwex machine start train"),
        ("ssh_doors:silent", "there is no pod of that name. See: qwex machine status train"),
        ("ssh_doors:bug", "KeyError: 'nothing'"),
    ],
)
def test_what_is_wrong_is_one_line(proxy, opener, said):
    ran = proxy(opener)
    assert (ran.returncode, ran.stdout, ran.stderr.decode()) == (255, b"", f"qwex: {said}\n")


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'{"door": {}}', b'{"id": "a", "opener": [], "door": 1}', b"[" * 100_000]
)
def test_a_broken_door_is_as_if_it_was_not_known(proxy, tmp_path, text):
    (tmp_path / "ssh" / "machines" / "train.json").write_bytes(text)
    ran = proxy()
    assert ran.stderr == b"qwex: there is no machine train here. See them with: qwex machine list\n"


@pytest.mark.parametrize(
    ("opener", "host", "gone"),
    [
        ("ssh_doors:stopped", "qwex-train", True),
        ("ssh_doors:failed", "qwex-train", True),
        (None, "qwex-none", True),
        ("ssh_doors:waits", "qwex-train", False),
        ("ssh_doors:broken", "qwex-train", False),
    ],
)
def test_a_program_is_told_whether_it_comes_back(proxy, monkeypatch, opener, host, gone):
    monkeypatch.setenv("QWEX_PROXY_TELLS", "1")
    assert proxy(opener, host).stderr.startswith(b"qwex: [gone] " if gone else b"qwex: the ")


@pytest.mark.parametrize(
    ("controller", "settings", "asked"),
    [
        ("", "https://b", ["", ""]),
        ("https://a", "https://a/", ["https://a/", "secret"]),
        ("https://a", "https://b", None),
    ],
)
def test_only_a_doors_own_controller_is_asked_and_told_its_token(tmp_path, monkeypatch, controller, settings, asked):
    heard = []

    def controllers(given=None, *, start):
        given = given or config.load()
        heard.append([given.url, given.token])
        return SimpleNamespace(machine=lambda name: "record")

    monkeypatch.setattr(qwex.client, "Client", controllers)
    monkeypatch.setenv("QWEX_URL", settings)
    monkeypatch.setenv("QWEX_TOKEN", "secret")
    monkeypatch.setenv("QWEX_HOME", str(tmp_path))
    assert _asked(str(tmp_path / "ssh"), "train", controller, 5.0) == ("record" if asked else None)
    assert heard == ([asked] if asked else [])


def test_a_machine_without_a_door_yet(proxy):
    ran = proxy("ssh_doors:echo", door=None)
    assert ran.stderr == b"qwex: nobody can reach the machine train yet. See: qwex machine status train\n"


@pytest.mark.parametrize(
    ("state", "message", "said"),
    [
        ("STOPPED", "", "the machine train is stopped. Start it with: qwex machine start train"),
        ("STOPPING", "", "the machine train is stopping. Start it with: qwex machine start train"),
        ("QUEUED", "3 before it.", "the machine train waits for its turn: 3 before it. See: qwex machine why train"),
        ("STARTING", "", "the machine train takes no ssh yet. See: qwex machine why train"),
        ("FAILED", "no such image", "the machine train failed: no such image. See: qwex machine status train"),
        ("RUNNING", "", ""),
    ],
)
def test_a_state_in_words(state, message, said):
    assert explained("train", SimpleNamespace(state=state, message=message, reason="")) == said


def test_the_proxy_is_light():
    script = "import qwex.client.ssh.proxy, qwex.relay, sys; print(*sys.modules)"
    bare = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, check=True)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    new = {name.decode() for name in {*ran.stdout.split()} - {*bare.stdout.split()}}
    assert not HEAVY & new
    ours = {name for name in new if name.split(".")[0] == "qwex"}
    light = ["qwex.client", "qwex.client.ssh", "qwex.client.ssh.proxy", "qwex.relay", "qwex.door"]
    assert ours == {"qwex", *light}
