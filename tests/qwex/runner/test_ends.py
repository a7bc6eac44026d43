"""Signals, timeouts, and what a job leaves behind."""

from __future__ import annotations

import os
import signal

import pytest

from .conftest import gone, wait_until

WAIT = "import time\nprint('ready')\ntime.sleep(60)"


def test_cancel(job):
    job.write("script", WAIT).start().until_prints("ready")
    job.stop("CancelledByUser", "Cancelled by ada.").join()
    assert job.rc == 128 + signal.SIGTERM
    assert (job.exit["code"], job.exit["signal"]) == (143, "SIGTERM")
    assert (job.exit["reason"], job.exit["message"]) == ("CancelledByUser", "Cancelled by ada.")


def test_sigterm_without_a_reason(job):
    job.write("cell", WAIT).start().until_prints("ready")
    job.stop().join()
    assert (job.exit["reason"], job.exit["message"]) == ("Signal", "Ended by SIGTERM.")


def test_a_checkpoint_handler_runs_once(job):
    text = """
        import signal, sys, time
        def save(*_):
            print("saved"); sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print("ready")
        time.sleep(60)
    """
    job.write("script", text).start().until_prints("ready")
    job.stop("Preempted", "A job of higher priority needs the place.").stop().join()
    assert job.text() == "ready\nsaved\n"
    assert (job.exit["code"], job.exit["reason"]) == (0, "Preempted")


@pytest.mark.parametrize(
    ("ends", "terminated"),
    [
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))", True),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))", True),
        ("sys.exit(9)", False),
        ("os.kill(os.getpid(), signal.SIGTERM)", False),
    ],
)
def test_whoever_reads_the_end_can_tell_whether_the_job_made_it_itself(job, ends, terminated):
    job.write("script", f"import os, signal, sys\n{ends}\n{WAIT}").start()
    if terminated:
        job.until_prints("ready").stop()
    job.join()
    assert job.exit["terminated"] is terminated


@pytest.mark.parametrize("turn", range(8))
def test_threads_that_go_on_do_not_keep_the_job_from_its_end(job, turn):
    """They print in the moment in which the worker says how it ended, and wait for the order of their lines."""
    text = """
        import sys, threading, time
        def prints():
            while True:
                print("err", file=sys.stderr)
                print("out")
        for _ in range(4):
            threading.Thread(target=prints, daemon=True).start()
        time.sleep(0.05)
    """
    job.write("script", text).start().join(20)
    assert job.exit["reason"] == ""


def test_what_ignores_sigterm_is_killed_after_the_grace(job):
    text = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT
    job.write("script", text, limits={"grace": 0.1}).start().until_prints("ready")
    job.stop("CancelledByUser").join()
    assert (job.exit["signal"], job.exit["reason"]) == ("SIGKILL", "CancelledByUser")


def test_timeout(job):
    job.run("script", WAIT, limits={"timeout": 0.3})
    assert job.exit["reason"] == "TimedOut"
    assert job.exit["message"] == "The job ran longer than 0.3s."
    assert (job.exit["signal"], job.exit["terminated"]) == ("SIGTERM", False)


def test_a_stopped_process_can_be_cancelled(job):
    job.write("script", "import os, signal\nprint('ready')\nos.kill(os.getpid(), signal.SIGSTOP)").start()
    job.until_prints("ready")
    job.stop("CancelledByUser").join()
    assert job.exit["reason"] == "CancelledByUser"


@pytest.mark.parametrize("number", ["SIGKILL", "SIGABRT"])
def test_killed_by_somebody_else(job, number):
    job.run("script", f"import os, signal\nos.kill(os.getpid(), signal.{number})")
    assert (job.exit["reason"], job.exit["message"]) == ("Signal", f"Ended by {number}.")
    assert job.rc == job.exit["code"] == 128 + signal.Signals[number]


@pytest.mark.parametrize("kind", ["sleep 300 &", "setsid sleep 300 &", "trap '' TERM; (trap '' TERM; sleep 300) &"])
def test_what_the_job_left_behind_is_ended(job, kind):
    job.run("command", args=["sh", "-c", f"{kind} echo $!"])
    assert job.rc == 0
    wait_until(lambda: gone(int(job.text())), "the end of what was left")


def test_a_child_that_prints_on_does_not_hold_the_job(job):
    job.run("command", args=["sh", "-c", "yes & echo $!"])
    assert job.rc == 0
    wait_until(lambda: gone(int(job.text().replace("y\n", ""))), "the end of yes")


def test_the_grace_is_for_children_too(job):
    """The shell dies of SIGTERM at once; its child still writes its checkpoint."""
    child = (
        "trap 'for n in 1 2 3 4 5; do sleep 0.3; done; echo saved; exit' TERM; echo ready; while :; do sleep 0.05; done"
    )
    job.write("command", args=["sh", "-c", f'sh -c "{child}"; true']).start().until_prints("ready")
    job.stop("CancelledByUser").join()
    assert "saved" in job.text()


def test_the_worker_dies_with_its_supervisor(job):
    job.write("script", "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)").start()
    wait_until(lambda: job.text().endswith("\n"), "the pid")
    job.process.kill()
    wait_until(lambda: gone(int(job.text())), "the end of the worker")


def test_the_job_has_a_session_and_a_group_of_its_own(job):
    job.run("script", "import os\nprint(os.getsid(0), os.getpgid(0), os.getppid())", limits={})
    session, group, parent = map(int, job.text().split())
    assert session == parent == job.of("start")[0]["pid"]
    assert group not in (session, os.getpgid(0))
