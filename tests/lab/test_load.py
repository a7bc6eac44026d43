"""Much at once: a thousand jobs, long logs, and those that grow fast."""

from __future__ import annotations

import re

from harness.waiting import wait_until
from labs import LogTab
from playwright.sync_api import expect

#: A view of any length is drawn with fewer rows than this.
ROWS = 150
LONG = "for n in range(100_000):\n    print('line', n, 'of many')"
FAST = """\
import pathlib, time
start, n = time.monotonic(), 0
while not pathlib.Path("enough").exists():
    while n < (time.monotonic() - start) * 10_000:
        print("line", n)
        n += 1
    time.sleep(0.01)
print("in all", n)
"""
MORE = """\
import pathlib, time
for n in range(240_000):
    print("line", n, flush=n == 239_999)
while not pathlib.Path("more").exists():
    time.sleep(0.05)
for n in range(20_000):
    print("line", n, "of more")
"""


def test_a_long_log(tab, lab):
    log = LogTab(tab, lab.submit(LONG, name="long"), "long")
    expect(log.lines.last).to_contain_text("line 99999 of many")
    log.search("line 50000 OF")
    expect(log.here).to_contain_text("line 50000 of many")
    expect(log.here).to_be_in_viewport()
    expect(log.view.get_by_text("1 of 1")).to_be_visible()
    log.search("7777 of")
    log.view.get_by_role("button", name="Previous").click()
    expect(log.here).to_contain_text("line 97777 of many")
    log.scroll(end=False)
    expect(log.lines.first).to_contain_text("line 0 of many")
    log.scroll(end=True)
    expect(log.lines.last).to_contain_text("line 99999 of many")
    log.view.get_by_role("button", name="Wrap").click()
    expect(log.lines.last).to_contain_text("line 99999 of many")
    assert log.lines.count() < ROWS


def test_a_log_that_grows_fast(tab, lab):
    log = LogTab(tab, lab.submit(FAST, name="fast"), "fast")
    expect(log.lines.last).to_contain_text(re.compile(r"line \d{5}"))
    # Whoever turns the wheel is not drawn back to the end.
    log.box.hover()
    tab.page.mouse.wheel(0, -2000)
    expect(log.follow).to_have_attribute("aria-pressed", "false")
    seen = log.lines.first.text_content()
    tab.page.get_by_role("tab", name="Overview").click()
    expect(tab.page.get_by_role("list", name="What has happened")).to_contain_text("Running")
    tab.page.get_by_role("tab", name="Logs").click()
    expect(log.follow).to_have_attribute("aria-pressed", "true")
    assert log.lines.count() < ROWS
    (lab.work / "enough").touch()
    expect(log.lines.last).to_contain_text("in all")
    assert log.lines.first.text_content() != seen
    number, count = re.fullmatch(r"(\d+)in all (\d+)", log.lines.last.text_content()).groups()
    assert int(number) == int(count) + 1


def test_who_reads_a_log_keeps_his_place_when_its_begin_is_let_go_of(tab, lab):
    log = LogTab(tab, lab.submit(MORE, name="more"), "more")
    expect(log.lines.last).to_contain_text("line 239999")
    log.search("line 200000")
    expect(log.here).to_be_in_viewport()
    before = log.place()
    (lab.work / "more").touch()
    expect(log.view.get_by_text("Earlier lines are left out here")).to_be_visible()
    expect(log.here).to_contain_text("line 200000")
    wait_until(lambda: abs(log.place() - before) < 1, "the line at its place")
    log.scroll(end=True)
    expect(log.lines.last).to_contain_text("line 19999 of more")
    assert log.lines.count() < ROWS


def test_a_thousand_jobs(tab, lab):
    lab.crowd(1000)
    tab.sidebar()
    waiting = tab.section("Waiting")
    expect(waiting.first).to_contain_text("crowd-0999")

    def at_the_end():
        tab.scroll_down("Waiting")
        return waiting.filter(has_text="crowd-0000").count() == 1

    wait_until(at_the_end, "the last of the jobs")
    expect(waiting.last).to_have_attribute("aria-posinset", "1000")
    expect(waiting.last).to_have_attribute("aria-setsize", "1000")
    assert waiting.count() < ROWS
    gone = waiting.filter(has_text="crowd-0001").locator("[data-job]").get_attribute("data-job")
    lab.qwex("cancel", gone)
    expect(waiting.filter(has_text="crowd-0001")).to_have_count(0)
    expect(waiting.last).to_have_attribute("aria-setsize", "999")
    expect(tab.section("Finished").filter(has_text="crowd-0001")).to_be_visible()
    tab.page.get_by_label("Find jobs by name or id").fill("crowd-0500")
    expect(waiting).to_have_count(1)
    expect(waiting).to_contain_text("crowd-0500")
    tab.page.get_by_label("Find jobs by name or id").fill("")
    tab.command("qwex:open-jobs")
    table = tab.page.get_by_role("table", name="Jobs")
    table.get_by_role("button", name="Name").click()
    table.get_by_role("button", name="Name").click()
    expect(table.get_by_role("row").nth(1)).to_contain_text("crowd-0000")
    assert table.get_by_role("row").count() < ROWS
