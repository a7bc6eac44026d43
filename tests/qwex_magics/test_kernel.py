"""The magics in a real kernel, against a real controller."""

from __future__ import annotations

import re

import ipynb
import pytest

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def plain(text):
    return COLOURS.sub("", text)


def test_a_cell_comes_back_as_if_it_had_run_here(notebook):
    shown = notebook.run("%%qwex\nimport os, sys\nprint(os.getpid())\nprint('warn', file=sys.stderr)\n6 * 7")
    assert shown.cards[-1].startswith("✔ cell-")
    assert "finished in" in shown.cards[-1]
    assert shown.snapshot["state"] == "SUCCEEDED"
    assert shown.stdout.strip() != notebook.value("import os; os.getpid()")
    assert shown.stderr == "warn\n"
    assert [result["text/plain"] for result in shown.results] == ["42"]
    assert not shown.error


def test_displays_updates_and_html_arrive_in_the_cell(notebook):
    shown = notebook.run(
        "%%qwex\nfrom IPython.display import HTML, display\n"
        "h = display('first', display_id='here')\nh.update('second')\ndisplay(HTML('<b>x</b>'))\n"
    )
    updated, html = shown.displays.values()
    assert updated == {"text/plain": "'second'"}
    assert html["text/html"] == "<b>x</b>"
    assert next(iter(shown.displays)) == f"{shown.run_id}/here"


def test_clear_output_keeps_the_card(notebook):
    shown = notebook.run("%%qwex\nfrom IPython.display import clear_output\nprint(1)\nclear_output()\nprint(2)")
    assert shown.cleared == 1
    assert shown.cards[-1].startswith("✔")


def test_machines_are_asked_for_in_a_line(notebook):
    (shown,) = notebook.run("%qwex machine list").results
    assert shown["text/plain"] == "no machines. Make one with: %qwex machine create NAME --gpu 1"
    assert "%qwex machine list" in notebook.run("%qwex machine stop nope").error


def test_shell_lines_magics_and_top_level_await(notebook):
    shown = notebook.run("%%qwex\n!echo from the shell\nimport asyncio\nawait asyncio.sleep(0)\n%time x = 1\n")
    assert "from the shell" in shown.stdout
    assert "Wall time" in shown.stdout
    assert not shown.error


def test_values_travel_both_ways(notebook):
    notebook.run("data = list(range(10)); big = bytes(100_000)")
    shown = notebook.run("%%qwex -i data,big -o total,size\ntotal = sum(data)\nsize = len(big)")
    assert shown.cards[-1].endswith("total, size → here")
    assert notebook.value("total, size") == "(45, 100000)"


def test_an_exception_has_the_notebooks_lines_and_no_frames_of_ours(notebook):
    shown = notebook.run("%%qwex\ndef divide(a, b):\n    return a / b\n\n\ndivide(1, 0)")
    error = plain(shown.error)
    assert "ZeroDivisionError: division by zero" in error
    number = int(notebook.value("len(In) - 2"))
    assert f"Cell In[{number}], line 6" in error
    assert "line 3, in divide(a, b)" in error
    assert "qwex_magics" not in error
    assert "qwex/runner" not in error
    assert f"raised in job {shown.run_id}" in error
    assert shown.cards[-1].endswith("ZeroDivisionError: division by zero")


def test_a_function_of_another_cell_keeps_its_cell_and_lines(notebook):
    notebook.run("def divide(a, b):\n    return a / b")
    number = int(notebook.value("len(In) - 2"))
    error = plain(notebook.run("%%qwex -i divide\ndivide(1, 0)").error)
    assert f"Cell In[{number}], line 2, in divide(a, b)" in error
    assert "return a / b" in error
    called = notebook.run("import qwex\nqwex.submit(divide, 1, 0).result(timeout=60)")
    assert f'File "Cell In[{number}]", line 2, in divide\n    return a / b' in plain(called.error)


def test_a_variable_that_was_not_sent_is_hinted_at(notebook):
    notebook.run("frame, options = [1], {}")
    shown = notebook.run("%%qwex\nprint(frame, options)")
    assert "frame and options are used but were not sent: add -i frame,options" in shown.error


def test_outputs_that_were_not_made_fail_the_job_by_name(notebook):
    notebook.run("made = 'before'")
    shown = notebook.run("%%qwex -o made,forgotten\nmade = 1")
    assert "forgotten" in shown.error
    assert notebook.value("made") == "'before'"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%qwex -i lock\nlock", "lock cannot be sent"),
        ("%%qwex -i nothing_of_that_name\n1", "no variable 'nothing_of_that_name' in the notebook"),
        ("%%qwex -i lock,lock\n1", "'lock' stands twice"),
        ("%%qwex\nx = = 1", "line 2"),
        ("%%qwex --queue nowhere\n1", "nowhere"),
        ("%%qwex --cpu 100000\n1", "cpu"),
    ],
)
def test_what_cannot_run_is_refused_and_nothing_is_stored(notebook, cell, message):
    notebook.run("import threading; lock = threading.Lock()")
    before = notebook.value("__import__('qwex').jobs().total")
    shown = notebook.run(cell)
    text = plain(shown.error + shown.stderr)
    assert message in text
    assert "Traceback" not in text
    assert "qwex_magics" not in text
    assert notebook.value("__import__('qwex').jobs().total") == before


def test_detach_gives_the_job_as_the_cells_result(notebook):
    shown = notebook.run("%%qwex --detach -o x\nx = 5")
    assert shown.results[0]["text/plain"].startswith("<Job cell-")
    assert notebook.value("_.result()") == "{'x': 5}"


def test_a_dry_run_shows_what_would_be_sent_and_stores_nothing(notebook):
    before = notebook.value("__import__('qwex').jobs().total")
    shown = notebook.run("%%qwex --dry-run --cpu 1\nprint('this text')")
    assert "this text" in shown.stdout
    assert not shown.error
    assert notebook.value("__import__('qwex').jobs().total") == before


def test_quiet_shows_the_jobs_own_output_alone(notebook):
    shown = notebook.run("%%qwex --quiet\nprint('only this')")
    assert shown.stdout == "only this\n"
    assert shown.cards == []


WAITS = "import signal\nprint('ready', flush=True)\nsignal.pause()"


def stop_when(notebook, ready, times=1):
    """An observer that presses Stop each time ``ready`` holds for another number of presses, up to ``times``."""
    pressed = []

    def watch(shown):
        if len(pressed) < times and ready(shown, len(pressed)):
            pressed.append(True)
            notebook.interrupt()

    return watch


def test_stop_cancels_the_job(notebook):
    shown = notebook.run(f"%%qwex\n{WAITS}", stop_when(notebook, lambda shown, _: "ready" in shown.stdout))
    assert any("interrupt again to stop waiting for it; it is being stopped" in card for card in shown.cards)
    assert shown.cards[-1].startswith("⦸")
    assert "JobCancelled" in shown.error
    assert "qwex_magics" not in shown.error


def test_a_second_stop_leaves_the_job_and_attach_takes_it_up_again(notebook, tmp_path):
    enough = tmp_path / "enough"
    stubborn = f"""\
import os, signal, time
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(print('terminating', flush=True)))
print('ready', flush=True)
while not told or not os.path.exists({str(enough)!r}):
    time.sleep(0.05)
y = 'saved'"""

    def ready(shown, presses):
        return "ready" in shown.stdout and (presses == 0 or any("cancelling" in card for card in shown.cards))

    shown = notebook.run(f"%%qwex -o y\n{stubborn}", stop_when(notebook, ready, times=2))
    assert f"%qwex attach {shown.run_id} -o y" in shown.error
    enough.touch()
    again = notebook.run(f"%qwex attach {shown.run_id}")
    assert "ready\nterminating\n" in again.stdout
    assert again.snapshot["state"] in ("CANCELLED", "SUCCEEDED", "FAILED")


def test_stop_while_looking_on_leaves_the_job(notebook):
    started = notebook.run(f"%%qwex --detach --name background\n{WAITS}")
    run_id = notebook.run("print(_.id)").stdout.strip()
    shown = notebook.run(f"%qwex attach {run_id}", stop_when(notebook, lambda shown, _: "ready" in shown.stdout))
    assert started.error == ""
    assert f"%qwex attach {run_id}" in shown.error
    assert "RUNNING" in notebook.run(f"%qwex status {run_id}").results[0]["text/plain"]
    notebook.run(f"%qwex cancel {run_id}")


def test_after_a_restart_of_the_kernel_attach_brings_everything_back(notebook):
    first = notebook.run("%%qwex -o model\nprint('training')\nmodel = {'w': [1, 2]}\n'the result'")
    notebook.restart()
    notebook.run("%load_ext qwex_magics")
    shown = notebook.run(f"%qwex attach {first.run_id} -o model")
    assert shown.stdout == first.stdout == "training\n"
    assert shown.results == first.results
    assert shown.cards[-1].endswith("model → here")
    assert notebook.value("model") == "{'w': [1, 2]}"


@pytest.mark.parametrize("now", [False, True])
def test_a_kernel_that_is_started_anew_leaves_the_job_that_it_follows_alone(notebook, now):
    run_id = notebook.begin(f"%%qwex\n{WAITS}", lambda shown: "ready" in shown.stdout).run_id
    notebook.restart(now=now)
    notebook.run("%load_ext qwex_magics")
    shown = notebook.run(f"%qwex attach {run_id}", stop_when(notebook, lambda shown, _: "ready" in shown.stdout))
    assert "RUNNING" in notebook.run(f"%qwex status {run_id}").results[0]["text/plain"], shown.error
    notebook.run(f"%qwex cancel {run_id}")


def test_attach_names_what_the_job_does_not_bring(notebook):
    first = notebook.run("%%qwex -o kept\nkept = 1")
    shown = notebook.run(f"%qwex attach {first.run_id} -o other")
    assert f"{first.run_id} does not bring 'other' back. It brings: kept" in shown.stderr


def test_commands(notebook):
    job = notebook.run("%%qwex --name for-commands\nprint('one line')").run_id
    assert job in notebook.run("%qwex list --name for-commands").results[0]["text/plain"]
    assert "SUCCEEDED" in notebook.run(f"%qwex status {job}").results[0]["text/plain"]
    assert notebook.run(f"%qwex logs {job}").stdout == "one line\n"
    assert notebook.run(f"%qwex why {job}").stdout.strip()
    assert "default" in notebook.run("%qwex queues").results[0]["text/plain"]
    gpus = notebook.run("%qwex gpus").results[0]
    assert "gpu" in gpus["text/plain"].lower()
    assert "gpu" in gpus["text/html"].lower()
    assert "qwex_local" in notebook.run("%qwex plugins").results[0]["text/plain"]
    assert "QWEX_HOME" in notebook.run("%qwex config home").results[0]["text/plain"]
    again = notebook.run(f"%qwex resubmit {job} --name again").results[0]["text/plain"]
    assert again.startswith(("<Job again-", "<Job for-commands-"))


def test_a_job_that_does_not_exist_is_named(notebook):
    shown = notebook.run("%qwex status no-such-job")
    assert "NotFound" in shown.error
    assert "no-such-job" in shown.error
    assert "See them with: %qwex list" in shown.error
    assert "qwex_magics" not in shown.error


def test_scripts_and_commands(notebook, tmp_path):
    script = tmp_path / "hello.py"
    script.write_text("import sys\nprint('script', sys.argv[1:])\n")
    assert "script ['--lr', '0.1']" in notebook.run(f"%qwex submit {script} --wait -- --lr 0.1").stdout
    assert "a command" in notebook.run("%qwex submit --wait -- echo a command").stdout
    assert "no file" in (told := notebook.run("%qwex submit missing.py").stderr)
    assert "A command is written: %qwex submit -- missing.py" in told
    described = tmp_path / "job.yaml"
    described.write_text("source: {kind: command}\nargs: [echo, described]\n")
    assert "described" in notebook.run(f"%qwex submit {described} --wait").stdout
    whole = tmp_path / "report.ipynb"
    whole.write_text(ipynb.notebook(ipynb.code("year = 1999", "parameters"), "print('of', year)"))
    assert "of 2026" in notebook.run(f"%qwex submit {whole} -p year=2026 --wait").stdout
    job = notebook.run("jobs = %qwex list --limit 1\nprint(jobs[0].id)").stdout.strip()
    notebook.run(f"again = %qwex resubmit {job} -p year=1\nagain.wait()")
    assert "of 1\n" in notebook.run("print(''.join(again.logs()))").stdout


def test_a_job_is_named_by_its_variable(notebook):
    notebook.run("%%qwex --detach -o x\nx = 5\nprint('out')")
    notebook.run("j = _")
    run_id = notebook.value("j.id").strip("'")
    for name in ("j", "$j", "{j}", "$j.id", "{j.id}"):
        assert notebook.run(f"%qwex attach {name} -o x").stdout == "out\n"
        assert notebook.run(f"%qwex logs {name}").stdout == "out\n"
        assert notebook.run(f"%qwex status {name}").results[0]["text/plain"] == f"<Job {run_id} SUCCEEDED>"
    assert notebook.run("%qwex cancel j").stdout == f"{run_id} had ended already: SUCCEEDED\n"


def test_an_error_of_the_sdk_shows_the_callers_lines_alone(notebook):
    notebook.run("import qwex\nwaits = qwex.submit(['sleep', '100'])\ndef ask(): return waits.result(timeout=0.1)")
    error = plain(notebook.run("ask()").error)
    notebook.run("%qwex cancel waits")
    assert "JobNotDone: " in error
    assert "return waits.result(timeout=0.1)" in error
    assert "qwex/client" not in error
    assert "site-packages" not in error


def test_completion_knows_queues_and_jobs(notebook):
    job = notebook.run("%%qwex --name completed\n1").run_id
    assert notebook.complete("%%qwex --queue de") == ["default"]
    assert job in notebook.complete("%qwex attach comp")


def test_help(notebook):
    assert "--gpu" in notebook.pager("%%qwex?")
    assert "attach ID" in notebook.pager("%qwex?")
