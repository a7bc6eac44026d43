"""An IPython shell that keeps what it shows, and a client whose jobs follow a script."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import shutil
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from live_notebook import Notebook
from traitlets.config import Config

from qwex.events import Event
from qwex.record import JobRecord
from qwex.state import JobState


class Publisher(DisplayPublisher):
    """Keeps what is published, as ``(update, display_id, data)``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shown: list[tuple[bool, str, dict[str, Any]]] = []
        self.cleared: list[bool] = []

    def publish(self, data, metadata=None, *, transient=None, update=False, **kwargs):
        self.shown.append((update, (transient or {}).get("display_id", ""), data))

    def clear_output(self, wait=False):
        self.cleared.append(wait)

    def cards(self) -> list[str]:
        return [data["text/plain"] for _, _, data in self.shown if "application/vnd.qwex.job.v1+json" in data]


@pytest.fixture
def shell(monkeypatch):
    """A shell of its own that believes it is in a notebook; no controller is started for it."""
    monkeypatch.setenv("QWEX_URL", "http://127.0.0.1:9")
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    shell.display_pub = Publisher(parent=shell)
    shell.kernel = object()
    return shell


@pytest.fixture
def record():
    return JobRecord("train-7k3f9q", "train", "ann", "cell", JobState.PENDING, "local", 1000.0, outputs=("model",))


@dataclass
class ScriptedClient:
    """Plays ``script`` to whoever follows; an item that is an exception is raised where it stands."""

    record: JobRecord
    script: list[Any] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    #: What it answers when it is asked for metrics: a list, or a function that gives one.
    logged: Any = ()
    asked: list[str] = field(default_factory=list)

    def events(self, run_id, after=0, follow=True, why=False):
        while self.script:
            item = self.script.pop(0)
            if isinstance(item, BaseException):
                raise item
            yield item

    def value(self, run_id, name):
        return self.stored[name]

    def cancel(self, run_id):
        self.cancelled.append(run_id)

    def metrics(self, run_id):
        self.asked.append(run_id)
        return self.logged() if callable(self.logged) else self.logged


@pytest.fixture
def client(record):
    return ScriptedClient(record)


@pytest.fixture
def event():
    """Events with rising ids: ``event("state", state="RUNNING")``."""
    count = 0

    def make(type: str, *, attempt: int = 1, ts: float = 0.0, **data: Any) -> Event:
        nonlocal count
        count += type != "why"
        return Event(0 if type == "why" else count, type, ts or 1000.0 + count, attempt, None, data)

    return make


@pytest.fixture
def announced(event, client):
    """Store a value and give the event that announces it."""

    def make(name: str, value: Any, /, **changed: Any) -> Event:
        data = pickle.dumps(value)
        client.stored[name] = data
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return event("value", **{"name": name, "type_name": "", "size": len(data), "digest": digest, **changed})

    return make


@pytest.fixture(scope="module")
def kernel_home():
    """A QWEX_HOME for a module's kernel; its processes end with the module."""
    folder = Path(tempfile.mkdtemp(prefix="qx", dir="/tmp"))
    yield folder
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in (entry / "environ").read_bytes() and int(entry.name) != os.getpid():
                os.kill(int(entry.name), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def notebook(kernel_home):
    """A notebook with the extension loaded."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("QWEX_")}
    own = {"QWEX_HOME": str(kernel_home / "h"), "XDG_CONFIG_HOME": str(kernel_home / "c")}
    book = Notebook({**kept, **own, "QWEX_MLFLOW__ENABLED": "false"})
    book.run("%load_ext qwex_magics")
    yield book
    book.close()
