"""What ``qwex.log_metrics`` takes for numbers."""

from __future__ import annotations

import pytest

from qwex.runner import metrics


class Channel:
    open = True

    def __init__(self):
        self.sent = []

    def send(self, type, **fields):
        self.sent.append((type, fields))


@pytest.fixture
def channel(monkeypatch):
    made = Channel()
    monkeypatch.setattr(metrics, "_channel", made)
    return made


def test_numbers_of_any_kind(channel):
    metrics.log_metrics({"a": 1, "b": True, "c": float("nan"), "d": float("-inf")}, step=2**53)
    values = {"a": 1.0, "b": 1.0, "c": "nan", "d": "-inf"}
    assert channel.sent == [("metrics", {"values": values, "step": 2**53})]


@pytest.mark.parametrize(
    ("values", "step", "error"),
    [
        ({"a": "much"}, 0, TypeError),
        ({"a": None}, 0, TypeError),
        ({1: 1.0}, 0, TypeError),
        ({"a": 10**400}, 0, ValueError),
        ({"a": 1.0}, 2**63, ValueError),
        ({"a": 1.0}, float("inf"), ValueError),
        ({"a": 1.0}, float("nan"), TypeError),
        ({"a": 1.0}, "first", TypeError),
    ],
)
def test_what_is_none(channel, values, step, error):
    with pytest.raises(error):
        metrics.log_metrics(values, step)
    assert channel.sent == []
