"""Answers of a controller as frozen data; keys a newer controller adds are left out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from qwex.gpus import GpuKind, GpuNode, GpuQuota, GpuReport
from qwex.record import Glance, Metric
from qwex.state import QueueInfo, QuotaLine, Why

__all__ = ["glance_of", "gpus_of", "metric_of", "queue_of", "why_of"]


def why_of(raw: dict[str, Any]) -> Why:
    """The ``Why`` in an answer."""
    known = _known(Why, raw)
    eta = tuple(known["eta"]) if known.get("eta") else None
    return Why(**{**known, "quota": _quota(raw), "eta": eta, "suggestions": tuple(known.get("suggestions") or ())})


def metric_of(raw: dict[str, Any]) -> Metric:
    """The ``Metric`` in an answer."""
    return Metric(**{**_known(Metric, raw), "history": tuple(raw.get("history") or ())})


def glance_of(raw: dict[str, Any]) -> Glance:
    """The ``Glance`` in an answer."""
    return Glance(**{**_known(Glance, raw), "why": why_of(raw["why"]) if raw["why"] else None})


def queue_of(raw: dict[str, Any]) -> QueueInfo:
    """The ``QueueInfo`` in an answer."""
    return QueueInfo(**{**_known(QueueInfo, raw), "quota": _quota(raw)})


def gpus_of(raw: dict[str, Any]) -> GpuReport:
    """The ``GpuReport`` in an answer."""
    kinds = tuple(
        GpuKind(**{**_known(GpuKind, kind), "nodes": tuple(GpuNode(**_known(GpuNode, each)) for each in kind["nodes"])})
        for kind in raw["kinds"]
    )
    quotas = tuple(GpuQuota(**_known(GpuQuota, quota)) for quota in raw["quotas"])
    return GpuReport(kinds, quotas, tuple(raw["notes"]))


def _quota(raw: dict[str, Any]) -> tuple[QuotaLine, ...]:
    return tuple(QuotaLine(**_known(QuotaLine, line)) for line in raw.get("quota") or ())


def _known(kind: Any, raw: dict[str, Any]) -> dict[str, Any]:
    return {field.name: raw[field.name] for field in fields(kind) if field.name in raw}
