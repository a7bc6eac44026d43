"""Finding and starting the user's own controller; the starts that fail are played by small scripts."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from qwex import config
from qwex.client import Client, daemon
from qwex.errors import ConfigError, ControllerUnavailable, NotAuthorized

READY = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1] + "/controller.sock"); s.listen()
os.write(int(sys.argv[2]), b"ready\\n")
s.accept()
"""


@pytest.fixture
def plays(monkeypatch):
    """Let a script play the daemon."""

    def play(script: str) -> None:
        monkeypatch.setattr(
            daemon, "_command", lambda folder, ready: [sys.executable, "-c", script, str(folder), str(ready)]
        )

    return play


def test_a_start_that_is_ready(home, plays):
    plays(READY)
    daemon.ensure(home)
    assert daemon.address(home).path == str(home / "controller.sock")
    assert oct(home.stat().st_mode & 0o777) == "0o700"


def test_a_start_closes_a_folder_that_others_could_write_in(home, plays):
    home.mkdir()
    home.chmod(0o777)
    plays(READY)
    daemon.ensure(home)
    assert oct(home.stat().st_mode & 0o777) == "0o755"


def test_a_daemon_that_answers_is_not_started_again(home, plays):
    home.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "controller.sock"))
        listener.listen()
        plays("raise SystemExit('started twice')")
        daemon.ensure(home)


def test_a_stale_socket_is_no_daemon(home, plays):
    home.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "controller.sock"))
    plays("import os, sys; os.unlink(sys.argv[1] + '/controller.sock')" + READY)
    daemon.ensure(home)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os, sys; os.write(int(sys.argv[2]), b'error: the database is damaged\\n')", "the database is damaged"),
        ("raise SystemExit('no module named nothing')", "no module named nothing"),
        ("", "it ended without a word"),
    ],
)
def test_a_start_that_fails_says_why(home, plays, script, said):
    plays(script)
    with pytest.raises(ControllerUnavailable, match=f"could not be started: {said}"):
        daemon.ensure(home)


def test_a_start_that_takes_too_long(home, plays, monkeypatch):
    plays("import time; time.sleep(60)")
    monkeypatch.setattr(daemon, "_START_SECONDS", 0.1)
    with pytest.raises(ControllerUnavailable, match="not ready after"):
        daemon.ensure(home)


def test_an_ending_daemon_is_waited_for(home, plays, monkeypatch):
    """It holds the lock and listens no more: started again until the lock is free."""
    once = "if not os.path.exists(sys.argv[1] + '/seen'): open(sys.argv[1] + '/seen', 'w'); sys.exit(3)"
    plays(f"import os, sys\n{once}\n{READY}")
    daemon.ensure(home)
    assert (home / "seen").exists()


def test_a_lock_that_is_never_freed(home, plays, monkeypatch):
    monkeypatch.setattr(daemon, "_PAUSES", (0.0, 0.0))
    plays("raise SystemExit(3)")
    with pytest.raises(ControllerUnavailable, match=r"holds .*controller\.lock but does not answer"):
        daemon.ensure(home)


def test_another_users_socket_is_refused(home, monkeypatch):
    home.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "controller.sock"))
        owner = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
        with Client(config.load()) as client, pytest.raises(NotAuthorized, match=f"uid {owner}"):
            client.queues()


def test_a_folder_that_cannot_be_used(home):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file stands here")
    with Client(config.load()) as client, pytest.raises(ConfigError, match="Set QWEX_HOME"):
        client.queues()


def test_a_long_path_is_looked_up(home):
    deep = home / ("x" * 100)
    deep.mkdir(parents=True)
    assert daemon.address(deep) is None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "s"))
        (deep / "controller.addr").write_text(f"{home / 's'}\n")
        assert daemon.address(deep).path == str(home / "s")
