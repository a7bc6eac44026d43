"""Figures for Prometheus, taken from the service when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qwex.errors import NotFound
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwex.controller.service import Service

__all__ = ["CONTENT_TYPE", "text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(service: Service, open_requests: int) -> bytes:
    """The exposition format.

    Raises:
        NotFound: prometheus-client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ModuleNotFoundError:
        raise NotFound("metrics need prometheus-client: pip install 'qwex[metrics]'") from None
    registry = CollectorRegistry()
    registry.register(_Collector(service, open_requests))
    return generate_latest(registry)


class _Collector:
    def __init__(self, service: Service, open_requests: int) -> None:
        self._service = service
        self._open_requests = open_requests

    def collect(self) -> Iterator[Any]:
        """Every figure, once."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        live = GaugeMetricFamily("qwex_jobs", "Jobs that have not ended", labels=["state"])
        ended = CounterMetricFamily("qwex_jobs_ended", "Jobs that ended since the start", labels=["state"])
        states = self._service.states()
        for state in JobState:
            family, count = (ended, self._service.ended) if state.terminal else (live, states)
            family.add_metric([state.value], count[state.value])
        yield live
        yield ended
        yield CounterMetricFamily("qwex_jobs_submitted", "Jobs since the start", value=self._service.submitted)
        yield GaugeMetricFamily("qwex_open_requests", "Requests being answered", value=self._open_requests)
