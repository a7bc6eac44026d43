"""``make bench-kueue``: measure the backend kueue on a cluster, write kueue.json and the tables of KUEUE.md.

python benchmarks/kueue.py [--quick] [--only "one job,output"] [--tables]

The cluster is the one of the tests (see CONTRIBUTING.md); QWEX_TEST_KUBECONFIG names another. Of that its node must be
this machine, since moments in pods are compared with moments here.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import on_kueue  # noqa: F401 - finds the test cluster
import tables
from harness.source import open_cluster
from on_kueue import report
from on_kueue.place import Place
from on_kueue.plan import GOALS, PARTS
from results import Results

import qwex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from plan import Turn

HERE = Path(__file__).parent


class Run:
    """One whole run. Each part has a namespace of its own."""

    def __init__(self, place: Place, only: Sequence[str], *, quick: bool) -> None:
        self._place, self._only, self._quick = place, only, quick
        self.results = Results()

    def parts(self) -> None:
        """All parts that are wanted; one that fails does not keep the others from being measured."""
        for name, part, turns, seconds in PARTS:
            if self._only and name not in self._only:
                continue
            print(f"\n{name}", flush=True)
            self.results.load(name, machine.busy())
            try:
                with part(self._place.namespace()) as measures:
                    self._rounds(name, turns, measures, time.monotonic() + seconds)
            except Exception as error:
                self.results.missing(name, _said(error))
            for row in self.results.of(name):
                print("  " + tables.line(row), flush=True)

    def _rounds(self, part: str, turns: Sequence[Turn], measures: Mapping[str, Callable[..., Any]], end: float) -> None:
        """In turn, until all are taken or the time is over: a busy machine gets fewer samples, not a longer run."""
        counts = [turn.quick if self._quick else turn.rounds for turn in turns]
        for number in range(max(counts)):
            if number and time.monotonic() > end:
                break
            for turn, count in zip(turns, counts, strict=True):
                # 3 of 9 are taken in the rounds 0, 3 and 6.
                if count > 1 and number * count % max(counts) < count:
                    self._take(part, turn, measures)
        for turn, count in zip(turns, counts, strict=True):
            if count == 1:
                self._take(part, turn, measures)

    def _take(self, part: str, turn: Turn, measures: Mapping[str, Callable[..., Any]]) -> None:
        measure = measures[turn.measure.replace("-", "_")]
        size = [max(turn.size // 10, 1) if self._quick else turn.size] if turn.size else []
        try:
            self.results.add(part, turn, measure(*size))
        except Exception as error:
            self.results.missing(f"{turn.system} {turn.measure}", _said(error))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    began, start = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
    with contextlib.ExitStack() as stack:
        cluster = open_cluster("bench", lambda text: print(text, flush=True))
        stack.callback(cluster.close)
        place = Place(cluster)
        stack.callback(place.close)
        run = Run(place, [name for name in options.only.split(",") if name], quick=options.quick)
        run.results.version("qwex", qwex.__version__)
        run.results.version("Kubernetes", place.raw.wait(place.raw.send("GET", "/version"))["gitVersion"])
        run.parts()
        seconds = time.monotonic() - start
    found: dict[str, Any] = run.results.report(machine.describe(), began, seconds, quick=options.quick)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short round; the page is not written")
    parser.add_argument("--only", default="", help=f"only these parts: {', '.join(part[0] for part in PARTS)}")
    parser.add_argument("--out", type=Path, default=HERE / "kueue.json", help="where the results go")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the page from the results")
    options = parser.parse_args()
    if options.tables:
        report.write(HERE / "KUEUE.md", json.loads(options.out.read_text()))
        return
    found = _measured(options)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\n{options.out}, {found['minutes']:.0f} minutes")
    if not (options.quick or options.only):
        report.write(HERE / "KUEUE.md", found)
    print(tables.goals(found, GOALS))


if __name__ == "__main__":
    main()
