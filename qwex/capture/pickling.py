"""Pickling by value that keeps where code stands. Imports cloudpickle: import this when something is pickled."""

from __future__ import annotations

import io
import sys
from collections import ChainMap
from types import CodeType
from typing import Any

import cloudpickle

__all__ = ["name_in_job", "pickled"]

_PROTOCOL = 5
#: What cloudpickle (from 3.1.3 on) writes for every file name; a traceback could not show one line of the code then.
_NAMELESS = "<dynamic-code>"


def pickled(value: Any) -> tuple[bytes, frozenset[str]]:
    """The value's bytes, and the names, here, of the files that the code in it was written in."""
    sink = io.BytesIO()
    pickler = _Pickler(sink)
    pickler.dump(value)
    return sink.getvalue(), frozenset(pickler.files)


def name_in_job(filename: str) -> str:
    """What a file is called in tracebacks of the job: a notebook's cell as ``Cell In[3]``, not by a kernel's folder."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    label = shell.compile.format_code_name(filename) if shell is not None else None
    return " ".join(label) if label else filename


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    def __init__(self, sink: io.BytesIO) -> None:
        self.files: set[str] = set()
        # Before the base's own __init__, which is the one place where the table is looked up.
        self.dispatch_table = ChainMap({CodeType: self._reduce_code}, cloudpickle.Pickler.dispatch_table)
        super().__init__(sink, protocol=_PROTOCOL)

    def _reduce_code(self, code: CodeType) -> tuple[Any, ...]:
        self.files.add(code.co_filename)
        name, named = name_in_job(code.co_filename), (code.co_filename, _NAMELESS)
        make, fields = cloudpickle.Pickler.dispatch_table[CodeType](code)
        return make, tuple(name if field in named else field for field in fields)
