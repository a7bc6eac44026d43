"""What is sent as JSON, and what cannot be."""

from __future__ import annotations

import json

import pytest

from qwex.client.bodies import encoded
from qwex.errors import InvalidSpec


def test_any_text_is_sent():
    data = {"a": ["\u00f1", "\U0001f600", 1.5, None], "b": {}}
    assert json.loads(encoded(data)) == data
    assert b" " not in encoded(data)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"spec": {"name": "x\udcff"}}, "spec.name"),
        ({"spec": {"name": "x", "env": {"A": "\ud83d"}}}, "spec.env.A"),
        ({"changes": {"add_keys": ["x", "\udcff"]}}, "changes.add_keys.1"),
        ({"spec": {"env": {"A\udcff": "x"}}}, "spec.env"),
        ("\udcff", "body"),
    ],
)
def test_what_is_no_text_is_refused_by_its_field(data, field):
    with pytest.raises(InvalidSpec, match="is not text in UTF-8") as refused:
        encoded(data)
    assert [name for name, _ in refused.value.problems] == [field]
    str(refused.value).encode()
