"""Values on their way into a job and out of it."""

from __future__ import annotations

import binascii
import contextlib
import json
import linecache
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

__all__ = ["PYTHON", "InputError", "OutputError", "foreign", "load", "save"]

#: The Python of this process. Code in a pickle is bytecode: another one crashes on it, often without a word.
PYTHON = "{}.{}".format(*sys.version_info)
_PROTOCOL = 5
#: An artifact store that gives nothing for so long gives nothing.
_SECONDS = 60
#: Seconds before each further try of one that cannot be reached.
_AGAIN = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
#: Names that IPython puts beside a cell's own.
_SHELLS_OWN = ("In", "Out", "exit", "quit", "get_ipython", "open")
_MOST_NAMES = 20


class InputError(Exception):
    """An input of the job cannot be loaded here; the message names it."""


class OutputError(Exception):
    """An output of the job does not exist or cannot be pickled; the message names it."""


def load(inputs: dict[str, dict[str, Any]], blobs: dict[str, str]) -> dict[str, Any]:
    """The objects by name. The texts of the functions among them, ``__sources__``, are kept for tracebacks.

    Raises:
        InputError: naming the value that cannot be loaded.
    """
    loaded = {}
    for name, value in inputs.items():
        what = {"__function__": "the function", "__call__": "its arguments"}.get(name, f"input {name!r}")
        if (written := value.get("python") or PYTHON) != PYTHON:
            raise InputError(f"{what} cannot be loaded here: {foreign(written)}, or send a script or a cell")
        try:
            loaded[name] = _decode(value.get("format", "cloudpickle"), data_of(value, blobs))
        except Exception as error:
            raise InputError(f"{what} cannot be loaded here: {type(error).__name__}: {error}") from error
    for filename, text in loaded.pop("__sources__", {}).items():
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return loaded


def foreign(written: str) -> str:
    """Why code of another Python, such as ``3.12``, cannot be loaded here, and what to do."""
    return (
        f"there is code in it from Python {written}, and this is Python {PYTHON}. Have the same Python here and there"
    )


def save(names: Sequence[str], namespace: dict[str, Any], folder: str) -> list[dict[str, Any]]:
    """Write the named values, all or none, and return their ``value`` records.

    Raises:
        OutputError: naming the value that does not exist or cannot be written.
    """
    if not names:
        return []
    os.makedirs(folder, mode=0o700, exist_ok=True)
    records = []
    try:
        for name in names:
            records.append(_write(name, namespace, os.path.join(folder, name + ".tmp")))
        for name in names:
            os.replace(os.path.join(folder, name + ".tmp"), os.path.join(folder, name))
    except BaseException:
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name + ".tmp"))
        raise
    return records


def data_of(value: dict[str, Any], blobs: dict[str, str]) -> bytes:
    """A value's bytes, from wherever they come.

    Raises:
        ValueError: they are others than those that were stored.
    """
    digest = value.get("digest")
    if value.get("data") or not digest or digest not in blobs:
        return binascii.a2b_base64(value.get("data") or "")
    import hashlib

    data = _read(blobs[digest])
    if (found := hashlib.sha256(data).hexdigest()) != digest.rpartition(":")[2]:
        raise ValueError(f"its bytes are not those that were stored: they have sha256:{found}, not {digest}")
    return data


def _read(url: str) -> bytes:
    """What is at ``file://…`` or at the ``https://…`` of an artifact store."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.scheme == "file":
        with open(unquote(parts.path), "rb") as file:
            return file.read()
    for pause in (*_AGAIN, None):
        try:
            return _fetch(url)
        except OSError as error:
            refused = 400 <= getattr(error, "code", 500) < 500
            if pause is None or refused:
                raise
            time.sleep(pause)
    raise AssertionError


def _fetch(url: str) -> bytes:
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the controller's own address
            return bytes(answer.read())
    except HTTPException as error:  # it broke off
        raise OSError(f"the artifact store broke off: {type(error).__name__}") from error


def _decode(format: str, data: bytes) -> Any:
    if format == "bytes":
        return data
    if format == "json":
        return json.loads(data)
    import pickle

    return pickle.loads(data)  # noqa: S301


def _write(name: str, namespace: dict[str, Any], path: str) -> dict[str, Any]:
    if name not in namespace:
        raise OutputError(f"the job set no value {name!r}; it set: {_listed(namespace)}")
    value = namespace[name]
    try:
        with open(path, "wb") as file:
            sink = _Sink(file)
            _dump(value, sink)
    except Exception as error:
        raise OutputError(f"output {name!r} cannot be saved: {type(error).__name__}: {error}") from error
    digest = "sha256:" + sink.digest.hexdigest()
    return {
        "name": name,
        "type_name": _type_name(type(value)),
        "size": sink.size,
        "digest": digest,
        "format": "cloudpickle",
        "python": PYTHON,
    }


def _listed(namespace: dict[str, Any]) -> str:
    """The names that the job's own code gave to data, as far as a line holds them."""
    module = type(sys)
    names = [name for name, value in namespace.items() if name[:1] != "_" and not isinstance(value, module)]
    own = [name for name in names if name not in _SHELLS_OWN]
    return ", ".join(own[:_MOST_NAMES]) + (", …" if len(own) > _MOST_NAMES else "") or "none"


def _dump(value: Any, sink: _Sink) -> None:
    try:
        import cloudpickle
    except ImportError:
        import pickle

        pickle.dump(value, sink, protocol=_PROTOCOL)
    else:
        cloudpickle.dump(value, sink, protocol=_PROTOCOL)


def _type_name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


class _Sink:
    """A file that knows the size and digest of what went into it."""

    def __init__(self, file: BinaryIO) -> None:
        import hashlib

        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write all of ``data``."""
        self.digest.update(data)
        self.size += memoryview(data).nbytes
        return self._file.write(data)
