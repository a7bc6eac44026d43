"""Values that can be sent, and errors that name what cannot."""

from __future__ import annotations

import base64
import io
import json
import linecache
import pickle
import socket
import threading

import pytest

from qwex.capture.functions import describe, pack_call
from qwex.capture.sources import pack_sources
from qwex.capture.values import pack
from qwex.errors import CaptureError
from qwex.runner.values import PYTHON
from qwex.spec import INLINE_LIMIT


class Model:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("lock",)

    def __init__(self):
        self.lock = threading.Lock()


def test_small_values_travel_inline():
    packed = pack("n", {"a": [1, 2]})
    assert packed.blob is None
    assert pickle.loads(base64.b64decode(packed.value.data)) == {"a": [1, 2]}
    assert packed.value.type_name == "dict"


def test_large_values_travel_as_blobs():
    packed = pack("data", bytes(INLINE_LIMIT * 2))
    assert packed.value.data == ""
    assert packed.value.size == len(packed.blob)
    assert packed.value.digest.startswith("sha256:")
    assert pickle.loads(packed.blob) == bytes(INLINE_LIMIT * 2)


def test_equal_values_have_one_digest():
    assert pack("a", [1, "x"]).value.digest == pack("b", [1, "x"]).value.digest


@pytest.mark.parametrize(
    ("value", "named", "way_out"),
    [
        (lambda: threading.Lock(), "it is a _thread.lock", "Make the lock inside"),
        (lambda: {"a": {"b": [1, threading.Lock()]}}, "v['a']['b'][1] is a _thread.lock", "Make the lock"),
        (lambda: Model(layers=[Model(lock=threading.Lock())]), "v.layers[0].lock is a", "Make the lock"),
        (lambda: Slotted(), "v.lock is a _thread.lock", "Make the lock"),
        (lambda: (n for n in range(3)), "it is a generator", "a list of what it gives"),
        (lambda: {"log": io.TextIOWrapper(io.BytesIO())}, "v['log'] is a _io.TextIOWrapper", "the file's path"),
        (lambda: Model(sock=socket.socket()), "v.sock is a socket.socket", "Connect inside"),
    ],
)
def test_the_error_names_the_part_to_blame(value, named, way_out):
    with pytest.raises(CaptureError) as caught:
        pack("v", value())
    assert str(caught.value).startswith("v cannot be sent: ")
    assert named in str(caught.value)
    assert way_out in str(caught.value)
    assert caught.value.name == "v"


def test_a_function_names_the_variable_it_uses():
    lock = threading.Lock()

    def train():
        return lock

    with pytest.raises(CaptureError, match=r"train cannot be sent: lock, which train\(\) uses, is a _thread.lock"):
        pack("train", train)


def test_a_call_names_the_argument():
    with pytest.raises(CaptureError, match=r"argument 2 of train\(\) cannot be sent"):
        pack_call("train", (1, threading.Lock()), {})
    with pytest.raises(CaptureError, match=r"lr of train\(\) cannot be sent"):
        pack_call("train", (1,), {"lr": threading.Lock()})


def test_a_value_that_contains_itself_is_no_trap():
    ring: list = [threading.Lock()]
    ring.append(ring)
    with pytest.raises(CaptureError, match=r"v\[0\] is a _thread.lock"):
        pack("v", ring)


def test_a_type_that_refuses_in_its_own_way():
    class Refuses:
        def __reduce__(self):
            raise RuntimeError("keep out")

    with pytest.raises(CaptureError, match="keep out"):
        pack("v", [Refuses()])


def test_a_functions_source_is_kept_for_people():
    def square(n):
        return n * n

    described = describe(square)
    assert described.kind == "function"
    assert described.name == "square"
    assert described.text.startswith("def square(n):")
    assert describe(len).text == ""
    assert describe(lambda: 1).name == "<lambda>"


def test_functions_keep_where_they_were_written():
    packed = pack("f", lambda: lambda n: 1 / n)
    inner = pickle.loads(base64.b64decode(packed.value.data))()
    assert inner.__code__.co_filename == __file__
    assert packed.files == {__file__}
    assert pack("n", [1]).files == frozenset()


def test_the_texts_of_functions_travel_as_one_value():
    linecache.cache["<cell 3>"] = (9, None, ["def f():\n", "    return 1\n"], "<cell 3>")
    packed = pack_sources(["<cell 3>", "<nowhere>"])["__sources__"]
    assert json.loads(base64.b64decode(packed.value.data)) == {"<cell 3>": "def f():\n    return 1\n"}
    assert pack_sources(["<nowhere>"]) == {}


def test_a_value_with_code_in_it_says_whose():
    assert pack("f", lambda: 1).value.python == PYTHON
    assert pack("x", [1, 2]).value.python == ""
