"""YAML reads back as what was written, and shows texts as they are where it can."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from qwex import yamltext

#: What YAML gives a meaning, what it takes for a line's end, and what it cannot hold unquoted.
AWKWARD = st.sampled_from(" \n\t\r:#-|>'\"{}[]%@`&*!?,~=\x00\x0c\x1b\x85\u2028\ufeff漢🌍")
TEXTS = st.text(st.one_of(AWKWARD, st.characters(exclude_categories=["Cs"])), max_size=40)


@given(st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2), max_size=3))
@example({"text": ["\x85"]})
@example({"text": [" \n  x\n\n"]})
def test_it_reads_back_as_the_same(data):
    assert yaml.safe_load(yamltext.dump(data)) == data


@pytest.mark.parametrize("text", ["a = 1\n\nif a:\n    b  \n", "# ä\n\tx\n"])
def test_lines_stay_lines(text):
    block = "".join(f"  {line}\n" if line else "\n" for line in text.splitlines())
    assert yamltext.dump({"text": text}) == f"text: |\n{block}"
