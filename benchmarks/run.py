"""``make bench``: measure qwex and its peers in turn, write results.json and the tables of README.md.

python benchmarks/run.py [--quick] [--only parsl,floor] [--tables]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import sys
import tempfile
import time
from pathlib import Path

import environments
import machine
import tables
from driver import Driver, NotMeasured, cold
from environments import NotInstalled
from plan import ENVIRONMENTS, SYSTEMS, WINDOWS
from results import Results

HERE = Path(__file__).parent


class Run:
    """One whole run. Drivers live as long as their window."""

    def __init__(self, only, quick, log):
        self._only, self._quick, self._log = only, quick, log
        self._pythons = {}
        self.results = Results()

    def prepare(self):
        """Make every environment before anything is measured."""
        for name in self._wanted():
            try:
                folder = ENVIRONMENTS.get(name, name)
                self._pythons[name] = environments.python_of(folder, SYSTEMS[name].requirements)
            except NotInstalled as error:
                self.results.missing(name, f"could not be installed: {error}")

    def _wanted(self):
        names = {turn.system for window in WINDOWS for turn in window.turns}
        return [name for name in SYSTEMS if name in names and self._selected(name)]

    def _selected(self, name):
        return not self._only or any(name.startswith(prefix) for prefix in self._only)

    def window(self, window):
        """All turns of a window, spread evenly over its rounds."""
        turns = [turn for turn in window.turns if turn.system in self._pythons and self._rounds(turn)]
        if not turns:
            return
        print(f"\n{window.name}", flush=True)
        load = machine.busy()
        with contextlib.ExitStack() as stack:
            drivers = {}
            for name in dict.fromkeys(turn.system for turn in turns if turn.measure != "cold"):
                self._start(name, drivers, stack)
            rounds = max(self._rounds(turn) for turn in turns)
            for number in range(rounds):
                for turn in turns:
                    if self._due(turn, number, rounds):
                        self._take(window, turn, drivers)
        self.results.load(window.name, load)
        for row in self.results.of(window.name):
            print("  " + tables.line(row), flush=True)

    def _start(self, name, drivers, stack):
        system = SYSTEMS[name]
        try:
            driver = Driver(self._pythons[name], system.script, self._log)
        except NotMeasured as error:
            return self.results.missing(name, str(error))
        stack.callback(driver.close)
        self.results.version(name, driver.version)
        drivers[name] = driver
        return None

    def _rounds(self, turn):
        return turn.quick if self._quick else turn.rounds

    def _due(self, turn, number, rounds):
        """Whether the turn's share of the rounds has come: 3 of 9 are taken in the rounds 0, 3 and 6."""
        return number * self._rounds(turn) % rounds < self._rounds(turn)

    def _take(self, window, turn, drivers):
        say = f"  {turn.system} {turn.measure}"
        print(f"{say:60}", end="\r" if sys.stdout.isatty() else "\n", flush=True)
        try:
            for sample in self._samples(turn, drivers):
                self.results.add(window.name, turn, sample)
        except NotMeasured as error:
            self.results.missing(turn.system, f"{turn.measure}: {error}")

    def _samples(self, turn, drivers):
        if turn.measure == "cold":
            return [cold(self._pythons[turn.system], SYSTEMS[turn.system].script, turn.of, self._log)]
        driver = drivers.get(turn.system)
        if driver is None:
            return []
        if turn.measure == "memory":
            return [driver.memory()]
        return driver.ask(turn.measure, turn.times, turn.warm, **({"size": self._size(turn)} if turn.size else {}))

    def _size(self, turn):
        return turn.size // 10 if self._quick else turn.size


def main():
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short round: fewer samples, a tenth of the sizes")
    parser.add_argument("--only", default="", help=f"only these, comma separated: {', '.join(SYSTEMS)}")
    parser.add_argument("--out", type=Path, default=HERE / "results.json", help="where the results go")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write README.md from the results")
    options = parser.parse_args()
    if options.tables:
        return tables.write(HERE / "README.md", json.loads(options.out.read_text()))
    log = tempfile.NamedTemporaryFile("w", prefix="qwex-bench-", suffix=".log", delete=False)  # noqa: SIM115
    print(f"what the systems say goes to {log.name}")
    run = Run([name for name in options.only.split(",") if name], options.quick, log)
    began, start = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
    run.prepare()
    for window in WINDOWS:
        run.window(window)
    report = run.results.report(machine.describe(), began, time.monotonic() - start, quick=options.quick)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{options.out}, {report['minutes']:.0f} minutes")
    if not (options.quick or options.only):
        tables.write(HERE / "README.md", report)
    print(tables.goals(report))
    return None


if __name__ == "__main__":
    main()
