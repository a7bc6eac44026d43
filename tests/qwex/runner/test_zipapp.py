"""The runner as one file, for images that have nothing of qwex."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import zipfile

import pytest

from qwex import jobfolder

from .conftest import interpreters
from .pods import Pod, records


@pytest.fixture(params=[sys.executable, *interpreters()], ids=lambda python: python.replace("/", "_"))
def pod(request, tmp_path):
    archive = tmp_path / "qwex-runner.pyz"
    archive.write_bytes(jobfolder.zipapp().data)
    pod = Pod(tmp_path, tmp_path)
    pod.boot = [request.param, str(archive)]
    yield pod
    pod.close()


def test_job_and_agent(pod):
    agent = pod.agent()
    pod.describe("cell", "print('hi')\nvalue = lambda: 1", outputs=["value"])
    assert pod.end(pod.run("--echo")) == (0, "hi\n", "")
    said = records(pod.events())
    assert {"start", "stream", "value", "exit"} <= {record["type"] for record in said}
    assert pod.get("/values/value")[0] == 200
    assert pod.acknowledge(said[-1]["seq"]) == 204
    assert pod.end(agent) == (0, "", "")


def test_the_same_version_for_the_same_sources():
    show = "from qwex import jobfolder; print(jobfolder.zipapp().version)"
    shown = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout
    before = jobfolder.zipapp()
    assert shown.strip() == before.version
    assert len(before.data) < 500_000


def test_a_python_of_the_same_version_need_not_compile_it(tmp_path):
    archive = tmp_path / "qwex-runner.pyz"
    archive.write_bytes(jobfolder.zipapp().data)
    show = "import sys; sys.path.insert(0, sys.argv[1]); import qwex_runner.agent as agent; print(agent.__file__)"
    done = subprocess.run([sys.executable, "-c", show, str(archive)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{archive}/qwex_runner/agent.pyc"


def test_the_job_does_not_see_the_archive(pod):
    pod.describe("script", "import sys\nprint([path for path in sys.path if path.endswith('.pyz')])")
    code, out, _ = pod.end(pod.run("--echo"))
    assert (code, out) == (0, "[]\n")


@pytest.mark.parametrize("kind", ["script", "cell"])
def test_its_own_frames_stand_in_no_traceback(pod, kind):
    agent = pod.agent()
    pod.describe(kind, "def divide():\n    return 1 / 0\ndivide()")
    _, out, err = pod.end(pod.run("--echo"))
    said = records(pod.events())
    (error,) = [record for record in said if record["type"] == "error"]
    assert [frame["name"] for frame in error["frames"]][-1] == "divide"
    assert len(error["frames"]) == 2
    assert "qwex_runner" not in out + err
    pod.acknowledge(said[-1]["seq"])
    pod.end(agent)


def test_it_says_how_it_is_used(tmp_path):
    archive = tmp_path / "qwex-runner.pyz"
    archive.write_bytes(jobfolder.zipapp().data)
    done = subprocess.run([sys.executable, str(archive), "agent"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--description" in done.stderr


def blocks_sigterm():
    """As the first process of a container: what comes before there is a handler does not end it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def test_a_sigterm_that_comes_before_the_job_has_begun_ends_it(pod):
    pod.describe("script", "import time\ntime.sleep(100)")
    job = pod.start("run", preexec_fn=blocks_sigterm)
    job.send_signal(signal.SIGTERM)
    assert pod.end(job)[0] == 143


def test_a_sigterm_that_comes_while_python_loads_the_runner_waits(tmp_path):
    """A first process that does not block it would never hear of it."""
    archive = tmp_path / "qwex-runner.pyz"
    shows = "import signal\ndef main(): print(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with zipfile.ZipFile(io.BytesIO(jobfolder.zipapp().data)) as runner, zipfile.ZipFile(archive, "w") as changed:
        changed.writestr("__main__.py", runner.read("__main__.py"))
        changed.writestr("qwex_runner/__init__.py", shows)
    done = subprocess.run([sys.executable, str(archive)], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
