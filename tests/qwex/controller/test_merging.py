"""JSON merge patch, as RFC 7396 has it."""

from __future__ import annotations

import pytest

from qwex.controller.merging import merged


@pytest.mark.parametrize(
    ("spec", "changes", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": ["c"]}, {"a": ["c"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, {"a": {"bar": 1}}, {"a": {"bar": 1}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge(spec, changes, result):
    before = repr(spec)
    assert merged(spec, changes) == result
    assert repr(spec) == before
