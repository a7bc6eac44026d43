"""The process in which MLflow's own store is used: ``python storehelper.py URI FOLDER``.

Takes requests of MLflow's REST API as lines of JSON, ``{"path", "body"}``, and answers each with one:
``{"answer": …}``, or ``{"code", "message"}`` where the store refuses, or ``{"unavailable": why}``.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds without a request after which the process ends; it holds some hundred megabytes.
_IDLE = 60.0
#: What says nothing about the request itself: a database that is locked, a disk that is full.
_TRANSIENT = ("INTERNAL_ERROR", "RESOURCE_EXHAUSTED", "TEMPORARILY_UNAVAILABLE")


def main(uri: str, folder: str) -> None:
    """Answer until nobody asks any more."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever MLflow prints is no answer
    store, pending = None, b""
    while select.select([0], [], [], _IDLE)[0]:
        data = os.read(0, 1 << 20)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            try:
                store = store or open_store(uri, Path(folder))
                answer = json.dumps({"answer": _answer(store, json.loads(line))})
            except Exception as error:
                answer = json.dumps(_refusal(error))
            out.write(answer + "\n")
            out.flush()


def open_store(uri: str, folder: Path) -> Any:
    """MLflow's store. A new one is made under a lock: two processes at once would leave it broken for ever."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        from mlflow.tracking._tracking_service.utils import _get_store

        store = _get_store(store_uri=uri, artifact_uri=(folder / "artifacts").as_uri())
        if uri.startswith("sqlite:///"):
            # Readers and a writer at the same time; it stays so in the file.
            with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
                database.execute("PRAGMA journal_mode=WAL")
    return store


def _answer(store: Any, request: dict[str, Any]) -> dict[str, Any]:
    return _PATHS[request["path"]](store, request["body"])


def _refusal(error: Exception) -> dict[str, Any]:
    """Whether it may be otherwise later, or MLflow has understood, and does not."""
    code = getattr(error, "error_code", None)  # an MlflowException has one; MLflow itself may be what is missing
    if _is_about_values(error):
        return {"code": "INVALID_PARAMETER_VALUE", "message": str(error)}
    if code and code not in _TRANSIENT:
        return {"code": code, "message": str(error)}
    return {"unavailable": f"{type(error).__name__}: {error}"[:300]}


def _is_about_values(error: BaseException | None) -> bool:
    """Whether a number or a text is such that the database's driver does not take it, whatever MLflow makes of that."""
    while error:
        if isinstance(error, (OverflowError, UnicodeEncodeError)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _json(entity: Any) -> dict[str, Any]:
    """An entity as the REST API has it."""
    from mlflow.utils.proto_json_utils import message_to_json

    found: dict[str, Any] = json.loads(message_to_json(entity.to_proto()))
    return found


def _experiment_by_name(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    found = store.get_experiment_by_name(body["experiment_name"])
    if found is None:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

        raise MlflowException("there is no such experiment", RESOURCE_DOES_NOT_EXIST)
    return {"experiment": _json(found)}


def _create_experiment(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    return {"experiment_id": store.create_experiment(body["name"], artifact_location=None, tags=[])}


def _restore_experiment(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    store.restore_experiment(body["experiment_id"])
    return {}


def _search_experiments(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    found = store.search_experiments(max_results=body["max_results"], page_token=body.get("page_token"))
    return {"experiments": [_json(each) for each in found], "next_page_token": _token(found)}


def _create(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    from mlflow.entities import RunTag

    tags = [RunTag(**each) for each in body["tags"]]
    made = store.create_run(body["experiment_id"], body["user_id"], body["start_time"], tags, body["run_name"])
    return {"run": _json(made)}


def _get(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    return {"run": _json(store.get_run(body["run_id"]))}


def _update(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    from mlflow.entities import RunStatus

    status = RunStatus.from_string(body["status"])
    updated = store.update_run_info(body["run_id"], status, body.get("end_time"), body.get("run_name"))
    return {"run_info": _json(updated)}


def _delete(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    store.delete_run(body["run_id"])
    return {}


def _delete_tag(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    store.delete_tag(body["run_id"], body["key"])
    return {}


def _log_batch(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    from mlflow.entities import Metric, Param, RunTag

    metrics = [
        Metric(each["key"], float(each["value"]), each["timestamp"], each["step"]) for each in body.get("metrics", [])
    ]
    params = [Param(**each) for each in body.get("params", [])]
    store.log_batch(body["run_id"], metrics, params, [RunTag(**each) for each in body.get("tags", [])])
    return {}


def _search(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    from mlflow.entities import ViewType

    found = store.search_runs(
        body["experiment_ids"],
        body["filter"],
        ViewType.ACTIVE_ONLY,
        body["max_results"],
        body["order_by"],
        body.get("page_token"),
    )
    return {"runs": [_json(each) for each in found], "next_page_token": _token(found)}


def _token(found: Any) -> str:
    """Where the next page begins, which MLflow's SQL store has as bytes."""
    token = found.token or ""
    return token.decode() if isinstance(token, bytes) else str(token)


def _history(store: Any, body: dict[str, Any]) -> dict[str, Any]:
    found = store.get_metric_history_bulk_interval(
        [body["run_ids"]], body["metric_key"], int(body["max_results"]), None, None
    )
    return {"metrics": [each.to_dict() for each in found]}


_PATHS: dict[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    "experiments/get-by-name": _experiment_by_name,
    "experiments/create": _create_experiment,
    "experiments/restore": _restore_experiment,
    "experiments/search": _search_experiments,
    "runs/create": _create,
    "runs/get": _get,
    "runs/update": _update,
    "runs/delete": _delete,
    "runs/delete-tag": _delete_tag,
    "runs/log-batch": _log_batch,
    "runs/search": _search,
    "metrics/get-history-bulk-interval": _history,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
