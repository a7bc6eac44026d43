"""Values on their way back out of a job: unpickled, unless another Python's code is in them."""

from __future__ import annotations

import io
import pickle
import types
from typing import Any

from qwex.errors import CaptureError
from qwex.runner.values import PYTHON, foreign

__all__ = ["load"]

#: How cloudpickle names types that are found nowhere else, bytecode's among them.
_BY_NAME = "_builtin_type"


def load(data: bytes, python: str = "") -> Any:
    """The value; ``python`` wrote it, such as ``3.12``. Loading runs code: do it for jobs you trust.

    Raises:
        CaptureError: there is code in it that only that Python can run; another one would crash.
    """
    if python in ("", PYTHON):
        return pickle.loads(data)  # noqa: S301
    return _Unpickler(data, python).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, python: str) -> None:
        super().__init__(io.BytesIO(data))
        self._python = python

    def find_class(self, module: str, name: str) -> Any:
        if name == _BY_NAME and module.startswith("cloudpickle"):
            return self._type
        return super().find_class(module, name)

    def _type(self, name: str) -> Any:
        if name == "CodeType":
            raise CaptureError(f"{foreign(self._python)}, or give back plain data")
        return getattr(types, name)
