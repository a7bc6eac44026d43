"""The first ``%%qwex`` of a fresh process: prints how long loading the extension and the cell took."""

from __future__ import annotations

import json
import time

import payload
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

if __name__ == "__main__":
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
    with capture_output() as said:
        shell.run_cell("1 + 1", store_history=True)
        start = time.perf_counter()
        shell.run_cell("%load_ext qwex_magics", store_history=True).raise_error()
        loaded = time.perf_counter()
        shell.run_cell(f"%%qwex\n{payload.CODE}", store_history=True).raise_error()
        end = time.perf_counter()
    assert "hello 41\n" in said.stdout
    assert "(42, " in said.stdout
    print(json.dumps({"load_s": loaded - start, "s": end - start}), flush=True)
