from __future__ import annotations

import signal
import threading

import pytest

from qwex.errors import CaptureError, ControllerUnavailable, JobCancelled, JobFailed, RemoteError
from qwex_magics.follow import Detached, Follower


@pytest.fixture
def follow(shell, client, record):
    def run(*script, **more):
        client.script[:] = script
        Follower(shell, client, record, **more).run()

    return run


def running(event):
    return event("state", state="QUEUED"), event("state", state="RUNNING")


def ended(event, state="SUCCEEDED", **more):
    return event("state", state=state, **more)


def test_the_card_is_shown_once_and_updated_in_place(follow, shell, event):
    why = event("why", summary="waits for 1 CPU", position=2, position_in="default")
    follow(event("state", state="QUEUED"), why, event("state", state="RUNNING"), ended(event))
    updates, ids, _ = zip(*shell.display_pub.shown, strict=True)
    assert updates == (False, True, True, True, True)
    assert len(set(ids)) == 1
    assert "2nd in default · waits for 1 CPU" in shell.display_pub.cards()[2]
    assert shell.display_pub.cards()[-1].startswith("✔ train-7k3f9q  finished")


def test_in_a_terminal_each_line_is_new(follow, shell, event):
    del shell.kernel
    follow(*running(event), ended(event))
    assert not any(update for update, _, _ in shell.display_pub.shown)


def test_quiet_shows_the_jobs_output_alone(follow, shell, event, capsys):
    follow(*running(event), event("stream", name="stdout", text="hello\n"), ended(event), quiet=True)
    assert shell.display_pub.shown == []
    assert capsys.readouterr().out == "hello\n"


def test_outputs_come_as_outputs_of_the_cell(follow, shell, event, capsys):
    follow(
        *running(event),
        event("stream", name="stdout", text="out\n"),
        event("stream", name="stderr", text="err\n"),
        event("display", data={"text/plain": "plot"}, metadata={}, transient={"display_id": "p"}),
        event("update_display", data={"text/plain": "plot 2"}, metadata={}, transient={"display_id": "p"}),
        event("result", data={"text/plain": "42", "text/html": "<b>42</b>"}, metadata={}, execution_count=7),
        ended(event),
        quiet=True,
    )
    printed = capsys.readouterr()
    assert printed.out.startswith("out\n")
    assert "42" in printed.out
    assert printed.err == "err\n"
    assert shell.display_pub.shown == [
        (False, "train-7k3f9q/p", {"text/plain": "plot"}),
        (True, "train-7k3f9q/p", {"text/plain": "plot 2"}),
    ]
    data, _ = shell.display_formatter.format(shell.user_ns["_"])
    assert data == {"text/plain": "42", "text/html": "<b>42</b>"}


def test_the_card_comes_back_after_the_job_clears_the_output(follow, shell, event):
    follow(*running(event), event("clear_output", wait=True), ended(event))
    assert shell.display_pub.cleared == [True]
    assert [update for update, _, _ in shell.display_pub.shown] == [False, True, True, False, True]


def test_values_are_bound_when_it_succeeded(follow, shell, event, announced):
    follow(*running(event), announced("model", {"w": 1}), announced("extra", 2), ended(event), outputs=("model",))
    assert shell.user_ns["model"] == {"w": 1}
    assert "extra" not in shell.user_ns
    assert shell.display_pub.cards()[-1].endswith("model → here")


@pytest.mark.parametrize("changed", [{"digest": "sha256:00"}, {"name": "other"}])
def test_values_are_bound_all_or_none(follow, shell, event, announced, changed):
    events = announced("a", 1), announced("b", 2, **changed)
    with pytest.raises(CaptureError, match=r"-o b: .* Nothing was bound"):
        follow(*running(event), *events, ended(event), outputs=("a", "b"))
    assert "a" not in shell.user_ns


def test_a_value_that_cannot_be_loaded_is_named(follow, shell, event, announced, client):
    event_of_it = announced("a", 1)
    broken = b"not a pickle"
    import hashlib

    client.stored["a"] = broken
    event_of_it.data["digest"] = f"sha256:{hashlib.sha256(broken).hexdigest()}"
    with pytest.raises(CaptureError, match="-o a: it cannot be loaded here: "):
        follow(*running(event), event_of_it, ended(event), outputs=("a",))


def test_an_exception_is_raised_with_the_jobs_traceback(follow, event, shell):
    error = event("error", ename="ZeroDivisionError", evalue="division by zero", traceback=["line 1", "line 2"])
    told = {"reason": "Exception", "message": "ZeroDivisionError: division by zero", "exit_code": 1}
    with pytest.raises(ZeroDivisionError) as raised:
        follow(*running(event), error, ended(event, "FAILED", **told))
    assert isinstance(raised.value, RemoteError)
    assert raised.value._render_traceback_() == ["line 1", "line 2", "raised in job train-7k3f9q"]
    assert shell.display_pub.cards()[-1].endswith("ZeroDivisionError: division by zero")


def test_another_failure_has_its_message(follow, event):
    with pytest.raises(JobFailed, match=r"failed: ran longer than 15m\. See what") as raised:
        follow(
            *running(event), ended(event, "FAILED", reason="TimedOut", message="ran longer than 15m.", exit_code=143)
        )
    assert (raised.value.reason, raised.value.exit_code) == ("TimedOut", 143)


def test_an_error_of_an_earlier_attempt_is_forgotten(follow, event, capsys):
    error = event("error", ename="ValueError", evalue="", traceback=[])
    again = event("state", state="QUEUED", attempt=2, reason="Retry")
    follow(*running(event), error, again, event("state", state="RUNNING", attempt=2), ended(event, attempt=2))
    assert capsys.readouterr().err == "qwex: attempt 2 follows (Retry)\n"


def test_the_first_interrupt_cancels_and_goes_on_to_the_end(follow, shell, client, event):
    end = ended(event, "CANCELLED", reason="CancelledByUser", message="cancelled by ann")
    with pytest.raises(JobCancelled, match="cancelled by ann"):
        follow(*running(event), KeyboardInterrupt(), event("stream", name="stdout", text="bye\n"), end)
    assert client.cancelled == ["train-7k3f9q"]
    said = "interrupt again to stop waiting for it; it is being stopped"
    assert any(said in shown for shown in shell.display_pub.cards())


def test_the_second_interrupt_leaves_the_job(follow, shell, client, event):
    with pytest.raises(Detached, match=r"%qwex attach train-7k3f9q -o model"):
        follow(*running(event), KeyboardInterrupt(), KeyboardInterrupt(), outputs=("model",))
    assert shell.display_pub.cards()[-1].endswith("no longer followed; it is being stopped")


def test_an_interrupt_while_the_job_is_being_cancelled_takes_no_cancelling_back(
    follow, shell, client, event, monkeypatch
):
    cancelled, publish = threading.Event(), shell.display_pub.publish

    def press(data, *args, **more):
        publish(data, *args, **more)
        if "cancelling" in data["text/plain"]:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(shell.display_pub, "publish", press)
    monkeypatch.setattr(client, "cancel", lambda run_id: cancelled.set())
    with pytest.raises(Detached, match="it is being stopped"):
        follow(*running(event), KeyboardInterrupt())
    assert cancelled.wait(10)


def test_two_presses_at_once_cancel_the_job_and_leave_it(follow, shell, client, event):
    """The second comes while it is not known yet whether the first one is that of a kernel that ends."""

    class Kernel:
        @property
        def _shutdown_message(self):
            presses and presses.pop()()

    presses = [lambda: signal.raise_signal(signal.SIGINT)]
    shell.kernel = Kernel()
    with pytest.raises(Detached, match="it is being stopped"):
        follow(*running(event), KeyboardInterrupt())
    assert client.cancelled == ["train-7k3f9q"]


def test_a_request_to_stop_that_failed_is_not_said_to_stop_it(follow, client, event, monkeypatch):
    def away(run_id):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        raise ControllerUnavailable("no controller answers")

    monkeypatch.setattr(client, "cancel", away)
    with pytest.raises((Detached, ControllerUnavailable), match=r"no controller answers") as raised:
        follow(*running(event), KeyboardInterrupt())
    assert "is being stopped" not in str(raised.value)


def test_who_only_looks_on_stops_nothing(follow, shell, client, event):
    with pytest.raises(Detached, match=r"train-7k3f9q is no longer followed; it goes on"):
        follow(*running(event), KeyboardInterrupt(), cancels=False)
    assert client.cancelled == []


def test_a_job_that_runs_is_not_shown_as_queued_again(shell, client, record, event):
    from dataclasses import replace

    from qwex.state import JobState

    client.script[:] = [event("state", state="QUEUED", ts=1001.0), event("state", state="RUNNING", ts=1002.0)]
    client.script.append(ended(event, ts=1003.0))
    Follower(shell, client, replace(record, state=JobState.RUNNING, queued_at=1001.0, started_at=1002.0)).run()
    assert [card[0] for card in shell.display_pub.cards()] == ["●", "✔"]


def test_a_job_that_ended_is_replayed_under_its_final_card(shell, client, record, event, capsys):
    from dataclasses import replace

    from qwex.state import JobState

    client.script[:] = [*running(event), event("stream", name="stdout", text="again\n"), ended(event)]
    Follower(shell, client, replace(record, state=JobState.SUCCEEDED, ended_at=2000.0)).run()
    assert all(card.startswith("✔") for card in shell.display_pub.cards())
    assert capsys.readouterr().out == "again\n"
