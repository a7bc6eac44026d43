"""A store on this machine (SQLite), through a helper process: MLflow itself never comes into the controller.

The helper is started for the first call and ends by itself when there is nothing to do. Several controllers may have
one each: the store takes one writer at a time, and waits for the others.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex.errors import TrackerUnavailable
from qwex_mlflow.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANSWER", "LocalStore"]

_HELPER = Path(__file__).with_name("storehelper.py")
#: Seconds that an answer may take; the first makes the store.
ANSWER = 120.0
#: Seconds a helper may take to end when it is told to.
_END = 5.0


class LocalStore:
    """Speaks to the helper, one call at a time."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri = uri
        self._folder = folder
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[str] | None = None
        self._closed = False

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> dict[str, Any]:
        """What a tracking server's endpoint below ``/api/2.0/mlflow/`` would answer.

        Raises:
            Refused: the store understood, and does not.
            TrackerUnavailable: it cannot be used now.
        """
        request = json.dumps({"path": path, "body": {**query, **(body or {})}})
        with self._lock:
            answer = self._ask(request)
        if "unavailable" in answer:
            raise TrackerUnavailable(f"{self.uri} cannot be used: {answer['unavailable']}", place=self.uri)
        if "message" in answer:
            raise Refused(answer["message"], answer.get("code", ""))
        found: dict[str, Any] = answer["answer"]
        return found

    def put(self, path: str, data: bytes) -> None:
        """There is no server to store files through; a store on this machine has a folder for them."""
        raise Refused(f"{self.uri} takes no {path}")

    def close(self) -> None:
        """End the helper, whatever it does; it is not started again."""
        self._closed = True
        if not self._lock.acquire(timeout=_END):
            if helper := self._helper:
                helper.kill()  # who waits for its answer gets none
            self._lock.acquire()
        self._let_go()
        self._lock.release()

    def _ask(self, request: str) -> dict[str, Any]:
        """By a new helper where the last one has ended, as it does when it had nothing to do for a while."""
        for _ in range(2):
            if self._closed:
                raise TrackerUnavailable(f"{self.uri} is closed", place=self.uri)
            helper = self._helper or self._start()
            assert helper.stdin is not None
            assert helper.stdout is not None
            with contextlib.suppress(OSError):
                helper.stdin.write(request + "\n")
                helper.stdin.flush()
                if line := self._line(helper):
                    answer: dict[str, Any] = json.loads(line)
                    return answer
            self._let_go()
        why = self._log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2][:300]
        why = why or "its helper ended without a word"
        raise TrackerUnavailable(f"{self.uri} cannot be used: {why}", place=self.uri)

    @staticmethod
    def _line(helper: subprocess.Popen[str]) -> str:
        """Its answer; empty of one that has ended, or hangs and is ended."""
        assert helper.stdout is not None
        if not select.select([helper.stdout], [], [], ANSWER)[0]:
            helper.kill()
        return helper.stdout.readline()

    @property
    def _log(self) -> Path:
        return self._folder / "store.log"

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("w", encoding="utf-8") as log:
            self._helper = subprocess.Popen(
                [sys.executable, str(_HELPER), self.uri, str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        return self._helper

    def _let_go(self) -> None:
        helper, self._helper = self._helper, None
        if helper is None:
            return
        with contextlib.suppress(OSError):
            assert helper.stdin is not None
            helper.stdin.close()
        try:
            helper.wait(_END)
        except subprocess.TimeoutExpired:
            helper.kill()
            helper.wait()
        if helper.stdout:
            helper.stdout.close()
