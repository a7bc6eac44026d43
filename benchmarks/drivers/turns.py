"""A driver's side of the talk with run.py: a line of JSON asks for a measure, a line answers. Standard library only."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
import traceback

__all__ = ["serve", "timed"]


def serve(package, system):
    """Answer on standard output until standard input ends; ``system`` is a context that gives the measures by name.

    A measure is a function that returns seconds, or several figures by name. What it prints goes to standard error.
    """
    asks, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    try:
        with system() as measures:
            answers.write(json.dumps({"version": importlib.metadata.version(package), "has": list(measures)}) + "\n")
            for line in asks:
                answers.write(json.dumps(_answer(measures, json.loads(line))) + "\n")
    except Exception:
        answers.write(json.dumps({"error": traceback.format_exc()}) + "\n")
        sys.exit(1)


def _answer(measures, ask):
    """Samples of one measure. ``warm`` runs before them are not counted."""
    run = measures[ask["measure"]]
    arguments = {name: value for name, value in ask.items() if name not in ("measure", "times", "warm")}
    try:
        for _ in range(ask["warm"]):
            run(**arguments)
        return {"samples": [run(**arguments) for _ in range(ask["times"])]}
    except Exception:
        return {"error": traceback.format_exc()}


def timed(work):
    """``work`` as a measure: the seconds it takes."""

    def measure(*args, **kwargs):
        start = time.perf_counter()
        work(*args, **kwargs)
        return time.perf_counter() - start

    return measure
