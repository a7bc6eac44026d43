"""qwex with nothing running: a fresh process, a fresh home, the first cell."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

from home import Home
from turns import serve


def cell():
    """Seconds to load the extension; that and the first cell; the whole process up to its result."""
    with Home():
        start = time.perf_counter()
        argv = [sys.executable, str(Path(__file__).with_name("cold_cell.py"))]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline()
            whole = time.perf_counter() - start
    return {**json.loads(line), "whole_s": whole}


@contextlib.contextmanager
def cold():
    yield {"cell": cell}


if __name__ == "__main__":
    serve("qwex", cold)
