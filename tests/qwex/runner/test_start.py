"""The ways the runner is started."""

from __future__ import annotations

import subprocess
import sys
import zipfile

from qwex.jobfolder import RUNNER

MAIN = "import runpy\nrunpy.run_module('qwex_runner', run_name='__main__')\n"


def test_as_a_module(job):
    job.write("script", "raise SystemExit(3)")
    done = subprocess.run([sys.executable, "-m", "qwex.runner", "run", str(job.path)], check=False)
    assert done.returncode == job.exit["code"] == 3


def test_as_a_zipapp(job):
    archive = job.path / "runner.pyz"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__main__.py", MAIN)
        for module in RUNNER.glob("*.py"):
            file.write(module, f"qwex_runner/{module.name}")
    job.write("cell", "print('hi')\n1 / 0")
    done = subprocess.run([sys.executable, str(archive), "run", str(job.path)], check=False)
    assert done.returncode == 1
    assert job.text() == "hi\n"
    assert [frame["filename"] for frame in job.error["frames"]] == ["Cell In[1]"]


def test_the_search_path_is_pythons_own(job):
    (job.work / "pkg").mkdir()
    (job.work / "elsewhere.py").write_text("")
    job.run("script", "import elsewhere", name="pkg/main.py")
    assert job.error["ename"] == "ModuleNotFoundError"
