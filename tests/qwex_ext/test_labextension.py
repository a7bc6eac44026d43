"""JupyterLab's part: its own tests, its form, and that what is written in two places is the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import qwex

LAB = Path(__file__).parents[2] / "qwex_ext" / "labextension"
PACKAGE = json.loads((LAB / "package.json").read_text())


def test_one_version():
    assert PACKAGE["version"] == qwex.__version__


def test_the_lock_file_names_no_address():
    assert '"resolved"' not in (LAB / "package-lock.json").read_text()


def test_the_lowest_of_jupyterlab_4_will_do():
    ranges = {name: wanted for name, wanted in PACKAGE["dependencies"].items() if name.startswith("@jupyterlab/")}
    assert {re.sub(r"^\^\d+", "^", wanted) for wanted in ranges.values()} == {"^.0.0"}


def test_settings_belong_to_a_plugin_and_name_its_commands():
    settings = json.loads((LAB / "schema" / "plugin.json").read_text())
    tokens = (LAB / "src" / "lab" / "tokens.ts").read_text()
    assert "SETTINGS = 'qwex:plugin'" in tokens
    for command in re.findall(r'"command": "([^"]+)"', json.dumps(settings)):
        assert f"'{command}'" in tokens


def test_the_api_and_the_views_know_nothing_of_jupyterlab():
    for folder in ("api", "model", "views"):
        for module in (LAB / "src" / folder).glob("*.ts*"):
            assert not re.search(r"from '(@jupyterlab|@lumino|\.\./lab)", module.read_text()), module


@pytest.mark.slow
@pytest.mark.parametrize("task", ["lint", "test"])
def test_its_own(task):
    if not shutil.which("npm") or not (LAB / "node_modules").exists():
        pytest.skip("its npm packages are not installed (the build installs them)")
    done = subprocess.run(["npm", "run", "--silent", task], cwd=LAB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
