"""JSON merge patch, as RFC 7396 has it, but for parameters."""

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
        ({"parameters": {"a": 1, "b": {"c": 1}}}, {"parameters": {"a": None, "b": {"d": None}}},
         {"parameters": {"a": None, "b": {"d": None}}}),
        ({"parameters": {"a": 1}}, {"parameters": {"b": 2}}, {"parameters": {"a": 1, "b": 2}}),
        ({"parameters": {"a": 1}}, {"parameters": None}, {}),
    ],
)  # fmt: skip
def test_merge(spec, changes, result):
    before = repr(spec)
    assert merged(spec, changes) == result
    assert repr(spec) == before
