from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from qwex.errors import ControllerUnavailable, JobFailed
from qwex.record import Metric
from qwex_magics import metrics
from qwex_magics.card import CARD
from qwex_magics.follow import Follower

LOSS = Metric("loss", 0.5, 1, 1000.0, (1.0, 0.5))


@pytest.fixture
def follow(shell, client, record, event):
    """Follow a job that runs for so long, has these events and ends."""

    def run(*told, seconds=10.0, state="SUCCEEDED", links=None, **more):
        start = event("state", state="RUNNING", ts=2000.0)
        client.script[:] = [
            event("state", state="QUEUED"),
            start,
            *told,
            event("state", state=state, ts=2000 + seconds),
        ]
        Follower(shell, client, replace(record, links=links or {}), **more).run()

    return run


@pytest.fixture
def logs(event):
    """Events of a job that logs these values of its loss."""
    return lambda *values: [event("metrics", values={"loss": value}, step=step) for step, value in enumerate(values)]


def test_what_a_job_logged_stands_on_its_card_and_nobody_is_asked_for_it(follow, logs, shell, client):
    follow(*logs(4.0, 2.0, 1.0), links={"MLflow": "http://127.0.0.1/"})
    first, second = shell.display_pub.cards()[-1].splitlines()
    assert first.startswith("✔ train-7k3f9q  finished in 10s")
    assert second == "  loss 1 at step 2 █▃▁"
    data = shell.display_pub.shown[-1][2]
    assert "loss 1 at step 2 █▃▁" in data["text/html"]
    assert [(each["name"], each["value"], each["history"]) for each in data[CARD]["metrics"]] == [
        ("loss", 1.0, (4.0, 2.0, 1.0))
    ]
    assert client.asked == []


def test_a_failed_jobs_card_has_them_too(follow, logs, shell):
    with pytest.raises(JobFailed):
        follow(*logs(4.0), state="FAILED")
    assert shell.display_pub.cards()[-1].endswith("\n  loss 4")


def test_three_of_many_are_shown(event):
    many = metrics.Metrics()
    many.take(event("metrics", values=dict.fromkeys("edcba", 1), step=0))
    assert metrics.line(many.known()) == "a 1 · b 1 · c 1 · 2 more"


def test_values_that_are_no_numbers_are_told_as_such(event):
    strange = metrics.Metrics()
    for value in (1.0, "nan", 2.0, "inf"):
        strange.take(event("metrics", values={"loss": value}, step=0))
    assert strange.known()[0].history == (1.0, None, 2.0, None)
    assert metrics.line(strange.known()) == "loss no number ▁ █ "


@pytest.mark.parametrize("count", [1, 99, 100, 101, 1234, 100_000])
def test_a_long_course_is_kept_in_few_values(event, count):
    long = metrics.Metrics()
    told = event("metrics", values={}, step=0)
    for step in range(count):
        long.take(replace(told, data={"values": {"n": step}, "step": step}))
    (metric,) = long.known()
    assert (metric.value, metric.step) == (count - 1, count - 1)
    assert (metric.history[0], metric.history[-1]) == (0, count - 1)
    assert min(count, 50) <= len(metric.history) <= 101
    assert list(metric.history) == sorted(set(metric.history))


def test_a_job_that_logged_nothing_costs_no_request(follow, event, client, shell):
    follow(event("packages", packages={"numpy": "2.0"}, platform="linux"))
    assert client.asked == []
    assert "\n" not in shell.display_pub.cards()[-1]


@pytest.mark.parametrize(("seconds", "asked"), [(0.4, []), (10.0, ["train-7k3f9q"])])
def test_what_only_a_tracker_knows_is_asked_for_after_a_long_run(follow, event, client, shell, seconds, asked):
    client.logged = [LOSS]
    follow(event("packages", packages={"mlflow": "3"}, platform="linux"), seconds=seconds)
    assert client.asked == asked
    assert shell.display_pub.cards()[-1].endswith("loss 0.5 at step 1 █▁") == bool(asked)


def test_a_link_is_reason_enough_to_ask(follow, client, shell):
    client.logged = [LOSS]
    follow(links={"MLflow": "http://127.0.0.1/"})
    assert client.asked == ["train-7k3f9q"]


def test_quiet_asks_for_nothing(follow, client):
    follow(links={"MLflow": "http://127.0.0.1/"}, quiet=True)
    assert client.asked == []


def test_an_answer_that_fails_changes_nothing(follow, client, shell):
    def fails():
        raise ControllerUnavailable("gone")

    client.logged = fails
    follow(links={"MLflow": "http://127.0.0.1/"})
    assert shell.display_pub.cards()[-1].startswith("✔ train-7k3f9q  finished in 10s")


def test_an_answer_that_does_not_come_is_not_waited_for(follow, client, shell):
    never = threading.Event()
    client.logged = lambda: never.wait(60) or []
    try:
        follow(links={"MLflow": "http://127.0.0.1/"})
        assert shell.display_pub.cards()[-1].startswith("✔ train-7k3f9q  finished in 10s")
    finally:
        never.set()
