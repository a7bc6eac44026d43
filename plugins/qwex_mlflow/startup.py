"""Runs first in every Python process of a job, wherever that is: standard library only, Python 3.9 or newer.

With MLflow's own variables alone, the first ``start_run`` of a process would join the job's run, every further one be
a run on its own, and ``set_experiment`` before it be an error that ends the job. Here the first ``start_run`` of the
whole job joins the job's run; all others, also those in other experiments and in other processes, become its children.
And the job's run may be made later than the job starts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

#: Seconds that ``import mlflow`` waits for the job's run, where it is being made.
_WAIT = float(os.environ.get("QWEX_MLFLOW_WAIT") or 10)
_FLUENT = "mlflow.tracking.fluent"


class _Finder:
    """Finds one module, once, as Python does, to add to it what is above."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != _FLUENT:
            return None
        import importlib.util

        sys.meta_path.remove(_Finder)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                # Whatever becomes of this, MLflow works as it does without.
                with suppress(Exception):
                    _bind()
                execute(module)
                with suppress(Exception):
                    _adapt(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _bind() -> None:
    """Set the variables that came after the process began."""
    mine = {"qwex.within": os.environ.get("QWEX_RUN_ID", "")}
    if "QWEX_MLFLOW_RUN_ID" not in os.environ:  # nor in the process that began this one
        os.environ.update(_later())
    if "QWEX_MLFLOW_RUN_ID" in os.environ:
        mine["mlflow.parentRunId"] = os.environ["QWEX_MLFLOW_RUN_ID"]
    try:
        theirs = json.loads(os.environ.get("MLFLOW_RUN_CONTEXT") or "{}")
    except ValueError:
        return
    os.environ["MLFLOW_RUN_CONTEXT"] = json.dumps({**mine, **theirs})


def _later() -> dict[str, str]:
    give_up = time.monotonic() + _WAIT
    while True:
        try:
            with open(os.environ["QWEX_LATER"], encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError):
            if time.monotonic() > give_up:
                return {}
        time.sleep(0.01)


def _adapt(module: Any) -> None:
    """Have ``start_run`` choose between the job's run and a new one."""
    import atexit
    import functools

    start = module.start_run

    @functools.wraps(start)
    def start_run(run_id: Any = None, experiment_id: Any = None, *args: Any, **more: Any) -> Any:
        if run_id is None:
            with suppress(Exception):
                _choose(module, experiment_id, more.get("parent_run_id"))
        return start(run_id, experiment_id, *args, **more)

    module.start_run = start_run
    atexit.register(_end_as_it_went, module)


def _end_as_it_went(module: Any) -> None:
    """Runs before MLflow's own exit function, for which whatever is open has finished, also after a crash."""
    if getattr(sys, "last_value", None) is not None:
        while module.active_run() is not None:
            module.end_run("FAILED")


def _choose(module: Any, experiment: Any, parent: Any) -> None:
    ours = os.environ.get("QWEX_MLFLOW_RUN_ID")
    if not ours or os.environ.get("MLFLOW_RUN_ID") not in (None, ours):
        return
    stack = module._active_run_stack
    active = stack.get() if hasattr(stack, "get") else stack
    experiment = experiment or module._active_experiment_id
    elsewhere = experiment is not None and str(experiment) != os.environ.get("QWEX_MLFLOW_EXPERIMENT_ID")
    if not (active or parent or elsewhere or _leaves()) and _claim():
        os.environ["MLFLOW_RUN_ID"] = ours
    else:
        os.environ.pop("MLFLOW_RUN_ID", None)


def _leaves() -> bool:
    """Whether the job's code has chosen another tracking server; there nobody knows the job's run."""
    import mlflow

    if mlflow.get_tracking_uri().rstrip("/") == os.environ.get("QWEX_MLFLOW_URI", "").rstrip("/"):
        return False
    context = json.loads(os.environ.get("MLFLOW_RUN_CONTEXT") or "{}")
    context.pop("mlflow.parentRunId", None)
    os.environ["MLFLOW_RUN_CONTEXT"] = json.dumps(context)
    return True


def _claim() -> bool:
    """Whether this is the job's first; of two at the same time one is."""
    path = os.path.join(os.environ["QWEX_FOLDER"], "mlflow-joined")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError:
        pass  # a full or foreign folder: as MLflow itself does
    return True


if "QWEX_LATER" in os.environ and "QWEX_FOLDER" in os.environ:
    sys.meta_path.insert(0, _Finder)
