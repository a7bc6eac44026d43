"""qwex in a real kernel, spoken to as a notebook does: imports, and a cell from the request to its result."""

from __future__ import annotations

import contextlib
import json
import time

import payload
from home import Home
from jupyter_client.manager import start_new_kernel
from turns import serve

IMPORTS = """
import json as _json, time as _time
_times = [_time.perf_counter()]
import qwex
_times.append(_time.perf_counter())
get_ipython().run_line_magic("load_ext", "qwex_magics")
_times.append(_time.perf_counter())
from qwex import Client
_times.append(_time.perf_counter())
print(_json.dumps([after - before for before, after in zip(_times, _times[1:])]))
"""


@contextlib.contextmanager
def _kernel():
    manager, client = start_new_kernel()
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


class Talk:
    """Runs code in the kernel and listens until it is idle again."""

    def __init__(self, client):
        self._client = client

    def run(self, code):
        """What was printed, the result, and the seconds to the result and to idle."""
        start = time.perf_counter()
        request = self._client.execute(code)
        printed, result, seconds = "", "", {}
        while "idle_s" not in seconds:
            message = self._client.get_iopub_msg(timeout=60)
            now = time.perf_counter() - start
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            assert kind != "error", content
            if kind == "stream":
                printed += content["text"]
            elif kind == "execute_result":
                result, seconds["s"] = content["data"]["text/plain"], now
            elif kind == "status" and content["execution_state"] == "idle":
                seconds["idle_s"] = now
        self._client.get_shell_msg(timeout=60)
        return printed, result, seconds

    def cell(self, magic):
        """The one-line cell, with or without ``%%qwex`` above it."""
        printed, result, seconds = self.run(magic + payload.CODE)
        assert printed == "hello 41\n"
        assert result.startswith("(42, ")
        return seconds


def imports():
    """In a fresh kernel: ``import qwex``, ``%load_ext qwex_magics``, and what the first use imports on top."""
    with _kernel() as client:
        printed, _, _ = Talk(client).run(IMPORTS)
    return dict(zip(("import_s", "load_ext_s", "first_use_s"), json.loads(printed), strict=True))


@contextlib.contextmanager
def kernel():
    with Home(), _kernel() as client:
        talk = Talk(client)
        talk.run("%load_ext qwex_magics")
        yield {"imports": imports, "cell": lambda: talk.cell("%%qwex\n"), "plain": lambda: talk.cell("")}


if __name__ == "__main__":
    serve("qwex", kernel)
