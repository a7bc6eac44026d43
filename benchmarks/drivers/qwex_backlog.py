"""qwex accepting jobs while both slots are held, from a process other than the controller; then the command line."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import payload
from home import Home
from turns import serve, timed

import qwex
from qwex.spec import JobSpec, Source

CELL = JobSpec(source=Source(kind="cell", text=payload.CODE, name="cell"))
HOLD = JobSpec(
    source=Source(kind="script", text="import time\nprint('held', flush=True)\ntime.sleep(3600)\n", name="hold")
)


class Backlog:
    """The last home filled stays open, so that there is a long queue to look at."""

    def __init__(self):
        self._stack = contextlib.ExitStack()

    def _fresh(self):
        """A fresh home with an idle controller that has run a job, its client, and its memory before the load."""
        self._stack.close()
        home = self._stack.enter_context(Home())
        client = qwex.Client()
        assert client.submit(CELL).wait(60)
        before = home.memory("idle")
        for job in [client.submit(HOLD) for _ in range(2)]:
            assert next(iter(job.logs(follow=True))) == "held\n"
        return home, client, before

    def one_by_one(self, size):
        """Accepted per second, eight in flight: threads of one client."""
        home, client, before = self._fresh()
        moments = [time.perf_counter()]

        def submit(_):
            client.submit(CELL)
            moments.append(time.perf_counter())

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(submit, range(size)))
        return self._figures(home, client, size, before, moments, 1)

    def batches(self, size):
        """Accepted per second in requests of a hundred, one after the other."""
        home, client, before = self._fresh()
        moments = [time.perf_counter()]
        for _ in range(size // 100):
            client.submit_many([CELL] * 100)
            moments.append(time.perf_counter())
        return self._figures(home, client, size, before, moments, 100)

    def _figures(self, home, client, size, before, moments, each):
        page = client.list(state="QUEUED", limit=1)
        assert page.total == size, (page.total, size)
        moments, part = sorted(moments), max(size // 10 // each, 1)
        return {
            "per_s": size / (moments[-1] - moments[0]),
            "first_per_s": part * each / (moments[part] - moments[0]),
            "last_per_s": part * each / (moments[-1] - moments[-1 - part]),
            **before,
            **home.memory("queued"),
        }

    def cli(self):
        """Whole processes, in turn: ``qwex list``, ``qwex status``, a Python that does nothing, and kubectl."""
        newest = qwex.Client().list(limit=1).records[0].id
        argvs = {
            "list_s": Home().command("list"),
            "list_json_s": Home().command("list", "--json"),
            "status_s": Home().command("status", newest),
            "python_s": [sys.executable, "-c", "pass"],
        }
        if kubectl := shutil.which("kubectl"):
            argvs["kubectl_version_s"] = [kubectl, "version", "--client"]
        return {name: timed(_run)(name, argv, newest) for name, argv in argvs.items()}

    def close(self):
        self._stack.close()


def _run(name, argv, newest):
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert newest in done.stdout or name in ("python_s", "kubectl_version_s"), done.stdout


@contextlib.contextmanager
def backlog():
    measures = Backlog()
    try:
        yield {"one-by-one": measures.one_by_one, "batches": measures.batches, "cli": measures.cli}
    finally:
        measures.close()


if __name__ == "__main__":
    serve("qwex", backlog)
