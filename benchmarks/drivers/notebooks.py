"""papermill: a notebook of one cell in a fresh kernel, by its command (as used) and by its function (fastest)."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import nbformat
import papermill
from notebook_cell import check, write
from turns import serve, timed

_numbers = itertools.count()


def function(folder, number=0):
    out = Path(folder, f"function{number}.ipynb")
    check(papermill.execute_notebook(f"{folder}/in.ipynb", str(out), progress_bar=False))


def command(folder):
    out = Path(folder, f"command{next(_numbers)}.ipynb")
    program = Path(sys.executable).with_name("papermill")
    argv = [str(program), "--no-progress-bar", f"{folder}/in.ipynb", str(out)]
    subprocess.run(argv, check=True, capture_output=True)
    check(nbformat.read(out, 4))


def commands(folder):
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(command, folder) for _ in range(20)]:
            done.result()


@contextlib.contextmanager
def notebooks():
    # A kernel is started by a process, not a thread: its client runs an event loop of its own.
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="qwex-papermill-") as folder, ProcessPoolExecutor(2, context) as pool:
        write(f"{folder}/in.ipynb")

        def functions():
            for done in [pool.submit(function, folder, n) for n in range(20)]:
                done.result()

        yield {
            "single-used": timed(lambda: command(folder)),
            "single-fast": timed(lambda: function(folder)),
            "batch-used": timed(lambda: commands(folder)),
            "batch-fast": timed(functions),
        }


if __name__ == "__main__":
    serve("papermill", notebooks)
