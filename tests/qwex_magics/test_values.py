from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from qwex.errors import CaptureError
from qwex.spec import INLINE_LIMIT
from qwex_magics import values


def test_names_the_notebook_does_not_have():
    assert values.missing(["frame", "x"], {"x": 1, "frames": 2}) == [
        ("-i", "no variable 'frame' in the notebook. Did you mean 'frames'?")
    ]


def test_no_name_of_pythons_or_ipythons_own_is_suggested():
    namespace = {"exit": 1, "In": [], "open": open, "threading": threading, "_int": 1}
    assert values.missing(["exitt", "Inn", "opem", "threadin", "int1"], namespace) == [
        ("-i", f"no variable {name!r} in the notebook.") for name in ("exitt", "Inn", "opem", "threadin", "int1")
    ]


def test_only_large_values_travel_apart():
    packed = values.pack(["small", "large"], {"small": 1, "large": bytes(INLINE_LIMIT + 1)})
    sent = []
    values.upload(SimpleNamespace(put_blob=sent.append), packed)
    assert len(sent) == 1
    assert not packed["large"].value.data
    assert packed["small"].value.data


def test_what_cannot_be_pickled_is_named():
    with pytest.raises(CaptureError, match="lock cannot be sent"):
        values.pack(["lock"], {"lock": threading.Lock()})
