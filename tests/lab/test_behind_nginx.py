"""JupyterLab behind a real proxy, below a path as JupyterHub makes it of the user's name ``a@b``."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from labs import Tab, running_lab
from playwright.sync_api import expect
from proxies import NGINX, nginx

WAITS = """\
import os, time
for said, gate in (("it has begun", "on"), ("it goes on", "end")):
    print(said, flush=True)
    while not os.path.exists(os.path.join({gates!r}, gate)):
        time.sleep(0.05)
print("it ends", flush=True)
"""


@pytest.fixture(scope="module")
def lab():
    """With a password, so that a cookie and nothing else says who asks."""
    if not NGINX:
        pytest.skip("there is no nginx on this machine")
    with running_lab("/a%40b/", "of the tests") as running:
        yield running


@pytest.fixture
def proxied(lab, tmp_path, browser, monkeypatch):
    """``proxied(…)`` opens a tab that reaches the server through nginx only."""
    with ExitStack() as stack:

        def open_tab(*forwarded):
            origin = stack.enter_context(nginx(tmp_path / "nginx", lab.origin, *forwarded))
            monkeypatch.setattr(lab, "url", origin + lab.base)
            context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
            stack.callback(context.close)
            tab = Tab(context.new_page(), lab)
            tab.open()
            return tab

        yield open_tab


def followed(tab, gates, name):
    """The log of a new job that says more when there is a file ``on``, and ends when there is one ``end``."""
    tab.sidebar()
    job = tab.lab.submit(WAITS.format(gates=str(gates)), name=name)
    row = tab.section("Running").filter(has_text=name)
    row.hover()
    row.get_by_role("button", name=f"Logs of {name}").click()
    log = tab.page.locator(".qwex-Page:visible .qwex-Log-lines")
    expect(log).to_contain_text("it has begun")
    return job, log


def test_a_log_is_followed_line_by_line(proxied, tmp_path):
    tab = proxied()
    tab.lab.qwex("list")  # there is a controller to listen to
    tab.listen()
    job, log = followed(tab, tmp_path, "lines")
    tab.hears(job, "RUNNING")
    (tmp_path / "on").touch()
    expect(log).to_contain_text("it goes on")
    (tmp_path / "end").touch()
    expect(log).to_contain_text("it ends")
    expect(tab.page.locator(".qwex-Page:visible .qwex-Title-state")).to_contain_text("finished in")
    expect(tab.section("Running")).to_have_count(0)


def test_stop(proxied, tmp_path):
    tab = proxied()
    followed(tab, tmp_path, "endless")
    tab.page.locator(".qwex-Page:visible").get_by_role("button", name="Stop").click()
    tab.page.locator(".jp-Dialog").get_by_role("button", name="Stop").click()
    expect(tab.page.locator(".qwex-Page:visible .qwex-Title-state")).to_contain_text("cancelled after")


def test_who_is_logged_out_is_told_what_helps(proxied, lab):
    tab = proxied()
    tab.sidebar()
    job = lab.submit("pass", name="kept")
    expect(tab.section("Finished").filter(has_text="kept").first).to_be_visible()
    tab.page.context.clear_cookies()
    tab.page.get_by_role("button", name="Ask again").click()
    alert = tab.page.locator(".qwex-Sidebar").get_by_role("alert")
    expect(alert).to_contain_text("If you are not logged in any more, reload the page.")
    expect(tab.section("Finished").filter(has_text="kept").first).to_be_visible()
    tab.open(f"lab?qwex-job={job}")
    expect(tab.page.locator(".qwex-Page").get_by_role("heading", name="kept")).to_be_visible()


def test_a_link_to_a_job_and_its_download(proxied, lab):
    tab = proxied()
    job = lab.submit("print('all of it')", name="linked")
    tab.open(f"lab?qwex-job={job}")
    page = tab.page.locator(".qwex-Page")
    expect(page.get_by_role("heading", name="linked")).to_be_visible()
    expect(page.locator(".qwex-Title-state")).to_contain_text("finished")
    page.get_by_role("tab", name="Logs").click()
    with tab.page.expect_download() as downloaded:
        page.get_by_role("link", name="Download the whole log").click()
    assert Path(downloaded.value.path()).read_text() == "all of it\n"


def test_a_cell(proxied):
    tab = proxied()
    tab.notebook("%load_ext qwex_magics", "%%qwex\nprint('from the job')")
    tab.command("notebook:run-all-cells")
    expect(tab.page.locator(".qwex-Card")).to_contain_text("Succeeded")
    expect(tab.page.locator(".jp-OutputArea-output", has_text=re.compile("^from the job"))).to_be_visible()


def test_without_websockets_the_page_asks_instead(proxied, tmp_path):
    tab = proxied("")  # HTTP 1.0 to the server, which is what nginx would hold back longest
    _, log = followed(tab, tmp_path, "unheard")
    (tmp_path / "on").touch()
    expect(log).to_contain_text("it goes on")
    (tmp_path / "end").touch()
    expect(tab.section("Finished").filter(has_text="unheard").first).to_be_visible()
    expect(tab.section("Running")).to_have_count(0)
