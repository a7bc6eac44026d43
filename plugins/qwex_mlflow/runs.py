"""What qwex does with a tracking server: experiments, runs, what is logged to them. Blocks; safe from any thread."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from qwex.errors import TrackerUnavailable
from qwex_mlflow import folders, limits
from qwex_mlflow.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["NOT_LOGGED", "Runs", "Transport", "quoted"]

T = TypeVar("T")

log = logging.getLogger(__name__)

#: The tag with names of what MLflow has refused, and how many it has.
NOT_LOGGED, _NAMED = "qwex.not_logged", 20
#: Refusals after which it is not tried any more which parts of a batch are to blame.
_REFUSED = 50
_PAGE = 1000
_HERE = ("localhost", "127.0.0.1", "::1")
#: Statuses of HTTP from here on are the server's fault, and may be others later.
_FAULTS = 500
#: Characters that end a quoted text in MLflow's search language; run ids and our own tags have none.
_QUOTES = str.maketrans({"'": "", '"': "", "`": "", "\\": ""})


class Transport(Protocol):
    """How a server is spoken to: over HTTP, or a store on this machine."""

    uri: str

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> dict[str, Any]:
        """What an endpoint below ``/api/2.0/mlflow/`` answers."""

    def put(self, path: str, data: bytes) -> None:
        """Store a file through the server."""

    def close(self) -> None:
        """Let go of connections."""


class Runs:
    """One server's runs."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._experiments: dict[str, str] = {}
        self._lock = threading.Lock()
        #: When they were listed (seconds since the epoch), and their ids.
        self._all_experiments: tuple[float, list[str]] = (0.0, [])
        #: Where artifacts of a run lie, and its experiment, by its id; a few of the last.
        self._artifacts: dict[str, tuple[str, str]] = {}

    def experiment(self, name: str) -> str:
        """The id of the experiment, made where there is none; one that was deleted is restored."""
        name = limits.experiment(name)
        with self._lock:
            found = self._experiments.get(name) or self._find_experiment(name) or self._make_experiment(name)
            self._experiments[name] = found
            return found

    def forget_experiment(self, name: str) -> None:
        """It is not there any more."""
        self._experiments.pop(limits.experiment(name), None)

    def create(self, experiment: str, name: str, started: float, user: str, tags: Mapping[str, str]) -> dict[str, Any]:
        """A new run (MLflow's own description of it), RUNNING as all new ones are. ``started`` in seconds."""
        body = {
            "experiment_id": experiment,
            "run_name": name,
            "user_id": user,
            "start_time": round(started * 1000),
        }
        try:
            return self._created({**body, "tags": limits.pairs(tags, limits.TAG_CHARS)})
        except Refused as refused:
            if refused.missing or not tags:
                raise
        made = self._created({**body, "tags": []})  # of its tags, MLflow takes some at the most
        self.log(made["info"]["run_id"], tags=tags)
        return made

    def _created(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._remembered(self._ask(lambda said: _run(said["run"]), "POST", "runs/create", body))

    def get(self, run: str) -> dict[str, Any]:
        """A run: ``info`` and ``data`` with its latest metrics, its parameters and tags."""
        return self._remembered(self._ask(lambda said: _run(said["run"]), "GET", "runs/get", run_id=run))

    def update(self, run: str, status: str, ended: float | None = None) -> None:
        """Set the status, and the end in seconds where there is one."""
        end = {"end_time": round(ended * 1000)} if ended else {}
        body = {"run_id": run, "status": status, **end}
        self._ask(lambda said: said["run_info"]["run_id"], "POST", "runs/update", body)

    def delete(self, run: str) -> None:
        """Put it where deleted runs go."""
        self.transport.call("POST", "runs/delete", {"run_id": run})

    def delete_tag(self, run: str, key: str) -> None:
        """Take a tag away that it has."""
        self.transport.call("POST", "runs/delete-tag", {"run_id": run, "key": key})

    def log(
        self,
        run: str,
        metrics: Sequence[Mapping[str, Any]] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Metrics (of ``limits.metric``), parameters and tags, in as few requests as MLflow allows.

        Of what MLflow refuses nothing else is lost; a tag of the run has some of the names.
        """
        pieces = (
            ("metrics", metrics, limits.METRICS),
            ("params", limits.pairs(params or {}, limits.PARAM_CHARS), limits.PARAMS),
            ("tags", limits.pairs(tags or {}, limits.TAG_CHARS), limits.TAGS),
        )
        whole = [(kind, entry) for kind, entries, _ in pieces for entry in entries]
        if len(whole) <= limits.METRICS and all(len(entries) <= most for _, entries, most in pieces):
            refused = self._log(run, whole) if whole else []
        else:
            batches = [(kind, each) for kind, entries, most in pieces for each in limits.batches(entries, most)]
            refused = [name for kind, batch in batches for name in self._log(run, [(kind, each) for each in batch])]
        if refused:
            more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
            said = [{"key": NOT_LOGGED, "value": limits.text(", ".join(refused[:_NAMED]) + more, limits.TAG_CHARS)}]
            self.transport.call("POST", "runs/log-batch", {"run_id": run, "tags": said})

    def _log(self, run: str, entries: list[tuple[str, Any]]) -> list[str]:
        """Log what one request may hold; the names of what MLflow refuses, which is found by halves."""
        refused: list[str] = []
        todo = [entries]
        while todo:
            batch = todo.pop()
            body: dict[str, Any] = {"run_id": run}
            for kind, entry in batch:
                body.setdefault(kind, []).append(entry)
            try:
                self.transport.call("POST", "runs/log-batch", body)
            except Refused as error:
                if error.missing:
                    raise
                half = len(batch) // 2
                if half and len(refused) < _REFUSED:
                    todo += [batch[half:], batch[:half]]
                else:
                    log.info("%s of the run %s are not logged: %s", len(batch), run, error)
                    refused += [entry["key"] for _, entry in batch]
        return refused

    def search(self, experiments: Sequence[str], where: str, most: int = _PAGE) -> Iterator[dict[str, Any]]:
        """Runs for which a condition of MLflow's search language holds, newest first."""
        token = ""
        while True:
            body = {
                "experiment_ids": list(experiments),
                "filter": where,
                "max_results": min(most, _PAGE),
                "order_by": ["attributes.start_time DESC"],
                **({"page_token": token} if token else {}),
            }
            found, token = self._ask(
                lambda said: (list(map(_run, said.get("runs", []))), said.get("next_page_token", "")),
                "POST",
                "runs/search",
                body,
            )
            yield from found
            if not token:
                return

    def experiments(self, since: float | None = None) -> list[str]:
        """The ids of all experiments, now or at some time after ``since`` (seconds since the epoch)."""
        now = time.time()
        when, ids = self._all_experiments
        if since is None or when < since:
            ids = self._list_experiments()
            self._all_experiments = now, ids
        return ids

    def _list_experiments(self) -> list[str]:
        ids: list[str] = []
        token = ""
        while True:
            body = {"max_results": _PAGE, **({"page_token": token} if token else {})}
            found, token = self._ask(
                lambda said: (
                    [str(each["experiment_id"]) for each in said.get("experiments", [])],
                    said.get("next_page_token", ""),
                ),
                "POST",
                "experiments/search",
                body,
            )
            ids += found
            if not token:
                return ids

    def history(self, run: str, key: str, most: int) -> list[float]:
        """About so many of a metric's values, evenly spread over its steps, oldest first."""
        path = "metrics/get-history-bulk-interval"
        found = self._ask(_values, "GET", path, run_ids=run, metric_key=key, max_results=str(most))
        if len(found) > most:  # those of one step are all given, as of code that names none
            found = [found[round(n * (len(found) - 1) / (most - 1))] for n in range(most)]
        return found

    def upload(self, run: str, path: str, data: bytes) -> bool:
        """Store a file among the run's artifacts; False where that takes keys that only its jobs or nobody has.

        Raises:
            Refused: it is not taken.
            TrackerUnavailable: it cannot be stored now.
        """
        if run not in self._artifacts:
            self.get(run)
        root, experiment = self._artifacts[run]
        parts = urlsplit(root)
        if parts.scheme == "mlflow-artifacts":
            self.transport.put(f"{parts.path.strip('/')}/{path}", data)
        elif parts.scheme in ("", "file"):
            folder = Path(unquote(parts.path))
            return self._may_write(folder, experiment, run) and folders.write(folder / path, data)
        else:
            return self._presigned(run, path, data)
        return True

    def _may_write(self, folder: Path, experiment: str, run: str) -> bool:
        """Whether it is on this machine, and a place for that; a store without a server is the user's own."""
        host = urlsplit(self.transport.uri).hostname
        return host is None or (host in _HERE and folders.is_a_runs(folder, experiment, run))

    def _presigned(self, run: str, path: str, data: bytes) -> bool:
        """Straight to the object store, where the server signs that (MLflow 3.9 and newer, S3 alone)."""
        import urllib.error
        import urllib.request

        body = {"run_id": run, "path": path}
        try:
            url, headers = self._ask(
                lambda said: (str(said["presigned_url"]), dict(said.get("headers") or {})),
                "POST",
                "artifacts/presigned-upload-url",
                body,
            )
        except (Refused, TrackerUnavailable):  # too old for that, or no S3
            return False
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            return False
        request = urllib.request.Request(url, data=data, headers=headers, method="PUT")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            if error.code < _FAULTS:
                return False
            raise TrackerUnavailable(f"{parts.hostname} does not take {path}: {error}") from error
        except OSError as error:
            raise TrackerUnavailable(f"{parts.hostname} cannot be reached: {error}") from error

    def _find_experiment(self, name: str) -> str:
        try:
            found, stage = self._ask(
                lambda said: (str(said["experiment"]["experiment_id"]), said["experiment"].get("lifecycle_stage")),
                "GET",
                "experiments/get-by-name",
                experiment_name=name,
            )
        except Refused as refused:
            if refused.missing:
                return ""
            raise
        if stage == "deleted":
            # Its name is taken for good, and somebody wants to use it again.
            self.transport.call("POST", "experiments/restore", {"experiment_id": found})
        return found

    def _make_experiment(self, name: str) -> str:
        try:
            return self._ask(lambda said: str(said["experiment_id"]), "POST", "experiments/create", {"name": name})
        except Refused as refused:
            if refused.code == "RESOURCE_ALREADY_EXISTS" and (found := self._find_experiment(name)):
                return found  # by somebody else, just now
            raise

    def _ask(
        self,
        read: Callable[[dict[str, Any]], T],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        **query: str,
    ) -> T:
        """What ``read`` takes out of an answer.

        Raises:
            TrackerUnavailable: it is not in there: something else has answered than MLflow.
        """
        answer = self.transport.call(method, path, body, **query)
        try:
            return read(answer)
        except (AttributeError, KeyError, TypeError, ValueError):
            uri = self.transport.uri
            raise TrackerUnavailable(f"{uri} is no MLflow server: it answers {answer!r:.300}", place=uri) from None

    def _remembered(self, run: dict[str, Any]) -> dict[str, Any]:
        info = run["info"]
        self._artifacts[info["run_id"]] = str(info.get("artifact_uri", "")), str(info.get("experiment_id", ""))
        while len(self._artifacts) > _PAGE:
            with contextlib.suppress(KeyError, StopIteration):
                del self._artifacts[next(iter(self._artifacts))]
        return run


def _run(said: dict[str, Any]) -> dict[str, Any]:
    """A run, if it has what is read of one."""
    info, data = said["info"], said.setdefault("data", {})
    if not isinstance(info["run_id"], str):
        raise TypeError("run_id")
    for each in (*data.get("tags", []), *data.get("params", [])):
        each["key"], each["value"]
    for each in data.get("metrics", []):
        each["key"], float(each["value"]), int(each["timestamp"]), int(each.get("step", 0))
    return said


def _values(said: dict[str, Any]) -> list[float]:
    """A metric's values in the order of their steps."""
    found = sorted(said.get("metrics", []), key=lambda each: (int(each.get("step", 0)), int(each["timestamp"])))
    return [float(each["value"]) for each in found]


def quoted(text: str) -> str:
    """A text as MLflow's search language has it."""
    return f"'{text.translate(_QUOTES)}'"
