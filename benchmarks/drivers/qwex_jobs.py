"""qwex, warm: one-line cells through the magic in an IPython shell, functions through the SDK, twenty of each."""

from __future__ import annotations

import contextlib
import re

import payload
from home import Home
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config
from turns import serve, timed

import qwex
from qwex.spec import JobSpec, Source


class Jobs:
    """The measures; every job's value, line and process are checked."""

    def __init__(self):
        self._shell = InteractiveShell.instance(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
        self._shell.run_cell("%load_ext qwex_magics")
        self._client = qwex.Client()
        self._cell = JobSpec(source=Source(kind="cell", text=payload.CODE, name="cell"))
        self._pids = set()

    def _fresh(self, pid):
        assert pid not in self._pids
        self._pids.add(pid)

    def cell(self):
        """Line and value are in the cell's output."""
        with capture_output() as said:
            result = self._shell.run_cell(f"%%qwex\n{payload.CODE}", store_history=True)
        result.raise_error()
        assert "hello 41\n" in said.stdout
        self._fresh(int(re.search(r"\(42, (\d+)\)", said.stdout)[1]))

    def function(self):
        value, pid = qwex.submit(payload.job, 41).result()
        assert value == 42
        self._fresh(pid)

    def batch_cells(self):
        """Twenty cells, the line and the value of each read."""
        for job in [self._client.submit(self._cell) for _ in range(20)]:
            events = list(job.events())
            assert "".join(event["text"] for event in events if event.type == "stream") == "hello 41\n"
            (result,) = (event["data"]["text/plain"] for event in events if event.type == "result")
            self._fresh(int(re.fullmatch(r"\(42, (\d+)\)", result)[1]))

    def batch_functions(self):
        results = qwex.map(payload.job, range(20)).results()
        assert [value for value, _ in results] == [x + 1 for x in range(20)]
        for _, pid in results:
            self._fresh(pid)


@contextlib.contextmanager
def jobs():
    with Home():
        measures = Jobs()
        yield {
            "cell": timed(measures.cell),
            "function": timed(measures.function),
            "batch-cells": timed(measures.batch_cells),
            "batch-functions": timed(measures.batch_functions),
        }


if __name__ == "__main__":
    serve("qwex", jobs)
