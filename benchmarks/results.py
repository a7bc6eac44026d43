"""Samples as they come in, and what is made of them."""

from __future__ import annotations

import statistics

__all__ = ["Results"]


class Results:
    """Samples by window, system, measure and figure."""

    def __init__(self):
        self._samples = {}
        self._versions = {}
        self._missing = {}
        self._loads = {}

    def add(self, window, turn, sample):
        """A sample: seconds, or several figures by name."""
        for figure, value in (sample if isinstance(sample, dict) else {"s": sample}).items():
            self._samples.setdefault((window, turn.system, turn.measure, figure), []).append(value)

    def missing(self, system, reason):
        """Remember that something could not be measured, and say it."""
        print(f"  {system}: not measured: {reason}", flush=True)
        self._missing[system] = reason

    def version(self, system, version):
        """What was measured."""
        self._versions[system] = version

    def load(self, window, busy):
        """How busy the machine was before the window began."""
        self._loads[window] = busy

    def of(self, window):
        """The rows of one window."""
        return [row for row in self._rows() if row["window"] == window]

    def _rows(self):
        keys = ("window", "system", "measure", "figure")
        return [dict(zip(keys, key, strict=True)) | _summary(samples) for key, samples in self._samples.items()]

    def report(self, machine, began, seconds, *, quick):
        """All of it, for results.json."""
        return {
            "began": began.strftime("%Y-%m-%d %H:%M UTC"),
            "minutes": round(seconds / 60, 1),
            "quick": quick,
            "machine": machine,
            "busy_before": self._loads,
            "versions": self._versions,
            "missing": self._missing,
            "rows": self._rows(),
        }


def _summary(samples):
    return {
        "n": len(samples),
        "median": _short(statistics.median(samples)),
        "min": _short(min(samples)),
        "max": _short(max(samples)),
        "samples": [_short(sample) for sample in samples],
    }


def _short(value):
    return float(f"{value:.5g}")
