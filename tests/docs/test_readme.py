"""Every snippet of the README runs, as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BIN = str(Path(sys.executable).parent)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(home, tmp_path):
    """Runs a script with qwex on PATH in an empty folder; gives back what it printed."""

    def run(script: str) -> str:
        env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "USER": "tester"}
        done = subprocess.run(
            ["bash", "-eu", "-c", script], cwd=tmp_path, env=env, text=True, capture_output=True, timeout=90
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield run
    subprocess.run([f"{BIN}/qwex", "controller", "stop"], capture_output=True, check=False)


def test_magic(shell, tmp_path):
    load, cell = (b for b in blocks("python") if "%" in b.splitlines()[0])
    script = tmp_path / "notebook.py"
    script.write_text(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        f"shell.run_cell({load!r}).raise_error()\n"
        f"shell.run_cell({cell!r}).raise_error()\n"
        "print('back:', shell.user_ns['squares'])\n"
    )
    printed = shell(f"{sys.executable} {script}")
    assert "done" in printed
    assert "back: [0, 1, 4, 9, 16]" in printed


def test_python(shell, tmp_path):
    (block,) = (b for b in blocks("python") if "@qwex.remote" in b)
    (tmp_path / "snippet.py").write_text(block)
    assert shell(f"{sys.executable} snippet.py").split("\n") == ["49", "[1, 4, 9]", "SUCCEEDED hello", "", ""]


def test_command_line(shell):
    block, _ = blocks("console")  # the other is about machines, of which tests of their own do the same
    printed = shell("\n".join(re.findall(r"^\$ (.*)$", block, re.MULTILINE)))
    assert "hello from a job" in printed
    assert "count-" in printed
    assert "default" in printed


def test_rest(shell, tmp_path):
    assert shutil.which("curl"), "this test needs curl"
    (block,) = (b for b in blocks("sh") if "curl" in b)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    printed = shell(block.replace("8787", str(port)))
    assert '"id":"echo-' in printed.replace(" ", "")
    assert not list(tmp_path.iterdir())
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", port)) != 0


def test_plugin():
    (block,) = (b for b in blocks("python") if "qwex_prepare_job" in b)
    from qwex.plugins import Plugins
    from qwex.spec import JobSpec, Source

    module = type(sys)("site_policy")
    exec(block, module.__dict__)
    plugins = Plugins(only=["none"])
    plugins.manager.register(module)
    spec = JobSpec(source=Source(kind="command"), args=("sleep", "9"))
    assert plugins.prepare(spec, "tester").timeout == 86400
