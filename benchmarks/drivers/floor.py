"""What the machine itself costs: a fork, a fork of a prepared IPython shell, a Python, a commit, a pipe."""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import payload
from turns import serve, timed

PRINTER = (
    "import sys\nw = sys.stdout.write\nfor n in range({lines}): w('%08d ' % n + 'x' * 90 + '\\n')\nsys.stdout.flush()"
)


def _child(value, line, x):
    os.dup2(line, 1)
    sys.stdout = os.fdopen(1, "w")
    value.send(payload.job(x))


def fork():
    """A forked process that prints a line and sends a value."""
    context = multiprocessing.get_context("fork")
    (value, sender), (line, writer) = context.Pipe(False), os.pipe()
    process = context.Process(target=_child, args=(sender, writer, 41))
    process.start()
    os.close(writer)
    number, pid = value.recv()
    process.join()
    assert number == 42
    assert pid == process.pid
    assert os.read(line, 100) == b"hello 41\n"
    os.close(line)


class Shell:
    """An IPython shell that has run a cell, forked for the next one: what a warm zygote can reach at best."""

    def __init__(self):
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        self._shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        self._shell.run_cell("0", store_history=False)
        gc.freeze()

    def cell(self):
        """Fork, run one cell, read what it printed and gave, reap it."""
        line, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os.dup2(writer, 1)
            sys.stdout = os.fdopen(1, "w")
            result = self._shell.run_cell(payload.CODE)
            os.write(1, repr(result.result).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(line) as reader:
            said = reader.read()
        os.waitpid(pid, 0)
        assert said.startswith("hello 41\n")
        assert f"(42, {pid})" in said


def python(folder, name="0"):
    """A Python that runs the payload as a script."""
    file = Path(folder, name)
    argv = [sys.executable, payload.__file__, "41", str(file)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"hello 41\n"
    assert file.read_text().startswith("(42, ")


def python_pass():
    """A Python that does nothing."""
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def forks(count):
    """``count`` forked processes, two at a time. What they print is dropped."""
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        results = pool.map(payload.quiet, range(count), chunksize=1)
    assert [value for value, _ in results] == [n + 1 for n in range(count)]
    assert len({pid for _, pid in results}) == count


def pythons(folder, count):
    """``count`` Pythons, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(python, folder, str(n)) for n in range(count)]:
            done.result()


class Commits:
    """Rows per second, each its own transaction."""

    def __init__(self, folder, synchronous):
        self._connection = sqlite3.connect(f"{folder}/{synchronous}.db", isolation_level=None)
        self._connection.execute("pragma journal_mode=wal")
        self._connection.execute(f"pragma synchronous={synchronous}")
        self._connection.execute("create table job(id integer primary key, spec text, state text)")

    def insert(self, size):
        spec = json.dumps({"cmd": ["python", "train.py"], "env": {"A": "1"}, "pad": "x" * 400})
        start = time.perf_counter()
        for _ in range(size):
            self._connection.execute("insert into job(spec, state) values (?, 'queued')", (spec,))
        return {"per_s": size / (time.perf_counter() - start)}


def pipe(size):
    """Megabytes per second of numbered lines from a Python through a pipe, from the first byte."""
    lines = size * 10_000
    argv = [sys.executable, "-c", PRINTER.format(lines=lines)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        first = os.read(process.stdout.fileno(), 1 << 20)
        start, total = time.perf_counter(), len(first)
        while block := os.read(process.stdout.fileno(), 1 << 20):
            total += len(block)
    assert total == lines * 100
    return {"mb_per_s": size / (time.perf_counter() - start)}


@contextlib.contextmanager
def floor():
    with tempfile.TemporaryDirectory(prefix="qwex-floor-") as folder:
        yield {
            "fork": timed(fork),
            "shell": timed(Shell().cell),
            "python": timed(lambda: python(folder)),
            "pass": timed(python_pass),
            "batch-fork": timed(lambda: forks(20)),
            "batch-python": timed(lambda: pythons(folder, 20)),
            "commits-full": Commits(folder, "full").insert,
            "commits-normal": Commits(folder, "normal").insert,
            "pipe": pipe,
        }


if __name__ == "__main__":
    serve("ipython", floor)
