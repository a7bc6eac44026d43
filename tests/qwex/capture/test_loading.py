from __future__ import annotations

import pickle

import cloudpickle
import pytest

from qwex.capture.loading import load
from qwex.errors import CaptureError
from qwex.runner.values import PYTHON

OTHER = "3.1"


def test_plain_data_comes_from_any_python():
    for python in ("", PYTHON, OTHER):
        assert load(pickle.dumps({"a": [1.5, None]}), python) == {"a": [1.5, None]}


def test_code_comes_from_the_same_python_only():
    data = cloudpickle.dumps(lambda: 7)
    assert load(data, PYTHON)() == 7
    with pytest.raises(CaptureError, match=f"from Python {OTHER}, and this is Python {PYTHON}"):
        load(data, OTHER)


def test_an_object_whose_class_travels_with_it_is_code_too():
    model = type("Model", (), {"__module__": "__main__", "predict": lambda self: 1})
    with pytest.raises(CaptureError, match="there is code in it"):
        load(cloudpickle.dumps([model()]), OTHER)
