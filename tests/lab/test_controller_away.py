"""A tab that is open while the user's controller ends, and when it is there again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

STEPS = """\
import os, time
for number in range(1, 4):
    print("step", number, flush=True)
    while not os.path.exists(os.path.join({gates!r}, str(number))):
        time.sleep(0.05)
"""
AWAY = "your controller is not running"
START = "qwex controller start"


@pytest.fixture
def log(tab, lab, tmp_path):
    """The log of a running job, open beside the sidebar; it goes a step on for each file ``1``, ``2``, ``3``."""
    job = lab.submit(STEPS.format(gates=str(tmp_path)), name="steps")
    tab.sidebar()
    tab.listen()
    tab.command("qwex:open-job", f"{{id: '{job}', name: 'steps', tab: 'logs'}}")
    lines = tab.page.locator(".qwex-Page .qwex-Log-lines")
    expect(lines).to_contain_text("step 1")
    yield lines
    lab.qwex("cancel", job)


def texts(log):
    return log.locator(".qwex-Log-text").all_inner_texts()


def running(lab):
    return lab.asked("controller", "status").returncode == 0


def test_it_goes_on_by_itself(tab, lab, log, tmp_path):
    page, sidebar = tab.page.locator(".qwex-Page"), tab.page.locator(".qwex-Sidebar")
    lab.qwex("controller", "stop")
    for view in (page, sidebar):
        expect(view.get_by_role("alert")).to_contain_text(AWAY)
        expect(view.get_by_role("alert").locator("code")).to_have_text(START)
        # As it is shown: in capitals it would be another command.
        assert view.get_by_role("alert").locator("code").inner_text() == START
    assert texts(log) == ["step 1"]
    expect(tab.section("Running").filter(has_text="steps")).to_be_visible()
    expect(sidebar.get_by_role("list", name="Queues")).to_contain_text("default")

    # A page that asks again and again starts none: whoever stopped it may mean to change its settings.
    for _ in range(2):
        with tab.page.expect_response(lambda answer: "/qwex/api/" in answer.url and answer.status == 503):
            pass
    assert not running(lab)
    (tmp_path / "1").touch()
    lab.qwex("controller", "start")
    expect(log).to_contain_text("step 2")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(sidebar.get_by_role("alert")).to_have_count(0)
    (tmp_path / "2").touch()
    expect(log).to_contain_text("step 3")
    (tmp_path / "3").touch()
    expect(page.locator(".qwex-Title-state")).to_contain_text("finished in")
    expect(tab.section("Running")).to_have_count(0)
    assert texts(log) == ["step 1", "step 2", "step 3"]


def test_whoever_wants_it_back_has_a_button(tab, lab, log, tmp_path):
    lab.qwex("controller", "stop")
    page = tab.page.locator(".qwex-Page")
    page.get_by_role("alert").get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    (tmp_path / "1").touch()
    expect(log).to_contain_text("step 2")
    expect(tab.page.locator(".qwex-Sidebar").get_by_role("alert")).to_have_count(0)
    assert texts(log) == ["step 1", "step 2"]
    assert running(lab)


def test_one_that_was_killed_is_told_as_well(tab, lab, log, tmp_path):
    lab.kill_controller()
    page = tab.page.locator(".qwex-Page")
    expect(page.get_by_role("alert")).to_contain_text(AWAY)
    (tmp_path / "1").touch()
    (tmp_path / "2").touch()
    lab.qwex("list")
    expect(log).to_contain_text("step 3")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert texts(log) == ["step 1", "step 2", "step 3"]


def test_a_card_says_that_it_is_as_it_was(tab, lab, tmp_path):
    tab.notebook("%load_ext qwex_magics", f"%%qwex\n{STEPS.format(gates=str(tmp_path))}")
    # Not awaited: the cell waits for its job.
    tab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    card = tab.page.locator(".qwex-Card")
    expect(card).to_contain_text("Running")
    # A cell that waits would start the controller anew.
    tab.run("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()")
    card.get_by_role("button", name="Logs").click()
    last = card.get_by_label(re.compile("Last lines"))
    expect(last).to_contain_text("step 1")
    lab.qwex("controller", "stop")
    expect(card).to_contain_text(f"Shown as it was last known: {AWAY}. Try: {START}")
    (tmp_path / "1").touch()
    lab.qwex("controller", "start")
    expect(card.get_by_text("Shown as it was last known")).to_have_count(0)
    expect(last).to_contain_text("step 2")
    (tmp_path / "2").touch()
    (tmp_path / "3").touch()
    expect(card).to_contain_text("Succeeded")
    expect(last).to_contain_text("step 3")
    assert last.inner_text().split("\n") == ["step 1", "step 2", "step 3"]
