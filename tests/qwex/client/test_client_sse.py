"""Server-sent events from any cut of the bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qwex.client.face import iterate
from qwex.client.sse import Frame, frames

TEXT = (
    b": ping\n\n"
    b'id: 1\nevent: stream\ndata: {"text":"a: b\\n"}\n\n'
    b'event: why\ndata: {"summary":"x"}\n\n'
    b":\n\n"
    b"id:2\ndata:one\ndata: two\n\n"
    b"id: 3\nevent: state\ndata: {}\n\n"
    b"id: 4\nevent: state\ndata: {unfinish"
)
EXPECTED = [
    Frame(1, "stream", b'{"text":"a: b\\n"}'),
    Frame(0, "why", b'{"summary":"x"}'),
    Frame(2, "message", b"one\ntwo"),
    Frame(3, "state", b"{}"),
]


async def pieces(text: bytes, cuts: list[int]):
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        yield text[start:end]


@given(st.lists(st.integers(0, len(TEXT))).map(sorted))
def test_any_cut_gives_the_same_frames(cuts):
    assert list(iterate(frames(pieces(TEXT, cuts)))) == EXPECTED
