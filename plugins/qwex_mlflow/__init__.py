"""MLflow: every job is a run from the moment it is submitted, with the right end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.hookspecs import hookimpl

if TYPE_CHECKING:
    from qwex.hookspecs import Register
    from qwex.tracker import Tracker

__all__ = ["qwex_register_trackers"]


@hookimpl
def qwex_register_trackers(register: Register[Tracker]) -> None:
    """Bring the tracker ``mlflow``."""
    from qwex_mlflow.tracker import MlflowTracker

    register(MlflowTracker)
