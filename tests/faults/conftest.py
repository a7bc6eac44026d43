"""A real controller of a private home, and the means to kill it."""

from __future__ import annotations

import pytest
from processes import Killer

import qwex


@pytest.fixture
def client(home, tmp_path, monkeypatch):
    """A client whose controller starts by itself in a private home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QWEX_LOCAL__CPU", "2")
    return qwex.Client()


@pytest.fixture
def killer(home, client):
    client.health()
    return Killer(home)
