"""What the author of a backend does, in a fresh environment: install, see it, run a job on it, pass the kit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "qwex_example_backend"


def run(*argv: object, **env: str) -> str:
    """The command's output; a failure shows both streams."""
    done = subprocess.run(
        [str(word) for word in argv],
        env={**os.environ, **env},
        cwd=EXAMPLE,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_install_see_run_and_pass_the_kit(tmp_path: Path, home: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    binaries = tmp_path / "venv" / "bin"
    run(binaries / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ROOT, EXAMPLE, "pytest")

    listed = json.loads(run(binaries / "qwex", "plugins", "--json"))
    [ours] = [plugin for plugin in listed["plugins"] if plugin["module"] == "qwex_example_backend"]
    assert (ours["backends"], ours["version"], ours["error"]) == (["example"], "0.1.0", "")
    assert ours["capabilities"] == {"example": ["inherits-environment", "timeout", "values"]}
    assert "qwex_example_backend" in run(binaries / "qwex", "plugins")
    assert "--option nice" in run(binaries / "qwex", "backends")

    (tmp_path / "hello.py").write_text("import sys; print('hello from', sys.executable)")
    try:
        shown = run(binaries / "qwex", "submit", tmp_path / "hello.py", "--backend", "example", "--wait")
        assert f"hello from {binaries}/python" in shown
    finally:
        run(binaries / "qwex", "controller", "stop")

    kit = run(binaries / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", EXAMPLE, "tests")
    assert "failed" not in kit
