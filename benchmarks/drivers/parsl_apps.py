"""parsl with two workers on this machine. A bash_app is a process of its own, a python_app shares a worker's."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

import payload

os.environ["PATH"] = os.path.dirname(sys.executable) + ":" + os.environ["PATH"]  # it starts its interchange by name

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.providers import LocalProvider
from turns import serve, timed


@parsl.python_app
def call(x):
    import os

    return x + 1, os.getpid()


@parsl.python_app
def sleep(seconds):
    import time

    time.sleep(seconds)


@parsl.bash_app
def script(python, path, result, stdout=None):
    return f"{python} {path} 41 {result}"


def _executor(kind):
    if kind == "threads":
        return ThreadPoolExecutor(max_threads=2)
    here = os.path.dirname(os.path.abspath(__file__))
    setup = f"export PATH={os.path.dirname(sys.executable)}:$PATH PYTHONPATH={here}"
    return HighThroughputExecutor(
        max_workers_per_node=2,
        cores_per_worker=1,
        address="127.0.0.1",
        loopback_address="127.0.0.1",
        encrypted=False,
        provider=LocalProvider(init_blocks=1, max_blocks=1, worker_init=setup),
    )


class Apps:
    """The measures, in a folder for what the apps write."""

    def __init__(self, folder):
        self._folder = Path(folder)
        self._count = 0

    def start(self):
        """Start a process; gives what waits for it and checks its line and value."""
        self._count += 1
        out, result = self._folder / f"out{self._count}", self._folder / f"result{self._count}"
        future = script(sys.executable, payload.__file__, str(result), stdout=str(out))

        def finish():
            assert future.result() == 0
            assert "hello 41" in out.read_text()
            assert result.read_text().startswith("(42, ")

        return finish

    def batch(self):
        for finish in [self.start() for _ in range(20)]:
            finish()

    def shared(self):
        assert call(41).result()[0] == 42

    def accept(self, size):
        """Accepted per second while both workers are held. Kept in memory only."""
        held = [sleep(3) for _ in range(2)]
        time.sleep(0.5)
        start = time.perf_counter()
        futures = [call(x) for x in range(size)]
        taken = time.perf_counter() - start
        assert [future.result()[0] for future in futures] == [x + 1 for x in range(size)]
        assert all(future.done() for future in held)
        return {"per_s": size / taken}


@contextlib.contextmanager
def apps(kind):
    with tempfile.TemporaryDirectory(prefix="qwex-parsl-") as folder:
        parsl.load(Config(executors=[_executor(kind)], run_dir=folder + "/run", usage_tracking=0))
        measures = Apps(folder)
        try:
            yield {
                "single": timed(lambda: measures.start()()),
                "batch": timed(measures.batch),
                "shared": timed(measures.shared),
                "accept": measures.accept,
            }
        finally:
            parsl.dfk().cleanup()


if __name__ == "__main__":
    serve("parsl", lambda: apps(sys.argv[1]))
