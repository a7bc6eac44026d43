"""Jobs in JupyterLab, as a person meets them."""

from __future__ import annotations

import re

import nbformat
from harness.waiting import wait_until
from ipynb import code, notebook, prose
from playwright.sync_api import expect

COUNTS = "import time\nfor n in range(400):\n    print('line', n, flush=True)\n    time.sleep(0.1)"
FAILS = "print('\\033[32mgreen\\033[0m')\nraise ValueError('the rate must be positive')"

LOGS = """\
import os, time
import qwex
step = 0
while not os.path.exists('enough'):
    step += 1
    names = ('loss', 'accuracy', 'rate', 'norm')
    qwex.log_metrics({name: 1 / (step + at) for at, name in enumerate(names)}, step)
    time.sleep(0.05)
"""


def test_a_cell_waits_runs_and_is_stopped_while_its_kernel_is_busy(tab, lab):
    hog = lab.submit("import time\ntime.sleep(600)", "--cpu", "2", name="hog")
    tab.sidebar()
    tab.notebook(COUNTS)
    page = tab.page
    page.locator(".jp-cell-toolbar").get_by_role("button", name="Run this cell as a job").click()
    tab.form().get_by_label("CPUs").fill("1")
    page.locator(".jp-Dialog").get_by_role("button", name="Run", exact=True).click()
    card = page.locator(".qwex-Card")
    expect(card).to_contain_text("Queued")
    expect(card).to_contain_text("1st in default")
    card.get_by_role("button", name="Why?").click()
    expect(card.get_by_role("table", name="Quotas")).to_contain_text("cpu")
    expect(tab.section("Waiting")).to_have_count(1)
    lab.qwex("cancel", hog)
    expect(card).to_contain_text("Running")
    expect(page.locator(".jp-OutputArea-output", has_text="line 3")).to_be_visible()
    expect(tab.section("Running")).to_have_count(1)
    expect(page.locator(".qwex-Status")).to_have_text("1 running")

    tab.run("window.jupyterapp.shell.currentWidget.context.save()")
    page.reload()
    card = page.locator(".qwex-Card")
    expect(card).to_contain_text("Running")
    card.get_by_role("button", name="Logs").click()
    expect(card.get_by_label(re.compile("Last lines"))).to_contain_text("line")
    card.get_by_role("button", name="Stop").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Stop").click()
    expect(card).to_contain_text("cancelled after")
    expect(tab.section("Running")).to_have_count(0)
    # The notebook says so by itself from now on, wherever it is opened.
    kept = "() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON())"
    page.wait_for_function(f'() => ({kept})().includes(\'"state":"CANCELLED"\')')


def test_what_a_cell_gives_back_is_there(tab):
    tab.notebook("%load_ext qwex_magics", "%%qwex -o total\ntotal = sum(range(10))\nprint('done')", "print(total + 1)")
    tab.command("notebook:run-all-cells")
    expect(tab.page.locator(".qwex-Card")).to_contain_text("total → here")
    expect(tab.page.locator(".jp-OutputArea-output", has_text="done").last).to_be_visible()
    expect(tab.page.locator(".jp-OutputArea-output", has_text=re.compile(r"^46\s*$"))).to_be_visible()


def test_a_job_that_nobody_waits_for_has_a_live_card_too(tab):
    tab.notebook("%load_ext qwex_magics", "%%qwex --detach\nprint('on its own')", "print('at once')")
    tab.command("notebook:run-all-cells")
    expect(tab.page.locator(".qwex-Card")).to_contain_text("finished in")
    expect(tab.page.locator(".jp-OutputArea-output", has_text="at once")).to_be_visible()


def test_the_page_of_a_job_that_failed(tab, lab):
    lab.submit(FAILS, name="wrong")
    tab.sidebar()
    page = tab.page
    tab.section("Finished").get_by_role("button", name=re.compile("^wrong")).first.click()
    job = page.locator(".qwex-Page")
    expect(job.get_by_role("heading", name="wrong")).to_be_visible()
    expect(job.locator(".qwex-Cause")).to_have_text("ValueError: the rate must be positive")
    expect(job.get_by_role("list", name="What has happened")).to_contain_text("Running")
    job.get_by_role("tab", name="Logs").click()
    expect(job.locator(".ansi-green-fg")).to_have_text("green")
    job.get_by_label("Search the log").fill("positive")
    expect(job.get_by_text(re.compile(r"1 of \d"))).to_be_visible()
    job.get_by_role("tab", name="Outputs").click()
    expect(job.locator(".jp-OutputArea")).to_contain_text("ValueError")
    job.get_by_role("tab", name="Spec").click()
    expect(job.locator(".qwex-Spec pre")).to_contain_text("source:")

    def kept(answer):  # that of the layout before may come first
        sent = answer.request.post_data or ""
        return answer.request.method == "PUT" and "api/workspaces" in answer.url and '"events"' in sent

    with page.expect_response(kept):
        job.get_by_role("tab", name="Events").click()
    expect(job.get_by_role("rowheader", name="exit", exact=True)).to_be_visible()
    page.reload()
    expect(page.locator(".qwex-Page").get_by_role("tab", name="Events")).to_have_attribute("aria-selected", "true")
    page.locator(".qwex-Page").get_by_role("button", name="Submit again").click()
    expect(page.locator(".qwex-Page:visible").get_by_role("heading", name="wrong")).to_be_visible()


def test_a_script_of_the_file_browser(tab, lab):
    (lab.work / "beside.py").write_text("import sys\nprint('given', sys.argv[1:])")
    tab.command("filebrowser:activate")
    tab.command("filebrowser:refresh")
    page = tab.page
    page.locator(".jp-DirListing-item", has_text="beside.py").click(button="right")
    page.get_by_role("menuitem", name="Run as a Job…").click()
    tab.form().get_by_label("Arguments").fill("--lr 0.1")
    page.get_by_role("button", name="Submit").click()
    page.locator(".qwex-Page").get_by_role("tab", name="Logs").click()
    expect(page.locator(".qwex-Log-lines")).to_contain_text("given ['--lr', '0.1']")


def test_a_notebook_as_a_job(tab, lab):
    steps = "for step in range(steps):\n    print('step', step, lr)"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    text = notebook(prose("# Report"), code("lr = 0.1\nsteps = 2", "parameters"), steps, "lr * 2", metadata=kernel)
    (lab.work / "report.ipynb").write_text(text)
    page = tab.page
    tab.command("docmanager:open", "{path: 'report.ipynb'}")
    tab.ready()
    page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Run this notebook as a job").click()
    dialog = tab.form()
    expect(dialog.get_by_label("steps")).to_have_attribute("placeholder", "2")
    dialog.get_by_label("lr").fill("0.5")
    dialog.get_by_role("button", name="Submit").click()
    job = page.locator(".qwex-Page")
    expect(job.get_by_role("status")).to_contain_text("finished in")
    expect(job.locator(".qwex-Facts")).to_contain_text("lr = 0.5")
    job.get_by_role("tab", name="Logs").click()
    expect(job.locator(".qwex-Log-lines")).to_contain_text("step 1 0.5")
    job.get_by_role("button", name="Open with outputs").click()
    opened = page.locator(".jp-NotebookPanel:visible")
    expect(opened.locator(".jp-OutputArea-output", has_text="1.0")).to_be_visible()
    expect(opened.locator(".jp-Cell", has_text="# Parameters")).to_contain_text("lr = 0.5")
    assert len([*lab.work.glob("report-*.ipynb")]) == 1
    page.locator(".lm-TabBar-tab .qwex-icon, .lm-TabBar-tab", has_text="report.ipynb").last.click()
    job.get_by_role("button", name="Notebook", exact=True).click()
    expect(page.locator(".jp-NotebookPanel:visible")).to_contain_text("Report")


def test_a_notebook_of_the_file_browser(tab, lab):
    (lab.work / "wrong.ipynb").write_text(notebook("x =\n"))
    tab.command("filebrowser:activate")
    tab.command("filebrowser:refresh")
    page = tab.page
    page.locator(".jp-DirListing-item", has_text="wrong.ipynb").click(button="right")
    page.get_by_role("menuitem", name="Run as a Job…").click()
    dialog = tab.form()
    expect(dialog).to_contain_text("tag a cell of the notebook: parameters")
    dialog.get_by_label("CPUs").fill("0.5")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog.get_by_role("alert")).to_contain_text("cell 1 of those with code, line 1: invalid syntax")
    (lab.work / "wrong.ipynb").write_text(notebook("x = 1"))
    expect(dialog.get_by_label("CPUs")).to_have_value("0.5")
    dialog.get_by_role("button", name="Submit").click()
    expect(page.locator(".qwex-Page").get_by_role("status")).to_contain_text("finished in")


def test_with_the_keyboard_alone(tab, lab):
    lab.submit("pass", name="first")
    lab.submit("pass", name="second")
    tab.sidebar()
    rows = tab.section("Finished")
    expect(rows.filter(has_text="second").first).to_be_visible()
    page = tab.page
    tab.command("qwex:open-panel")
    expect(page.get_by_label("Find jobs by name or id")).to_be_focused()
    page.get_by_label("Find jobs by name or id").press("Tab")
    rows.filter(has_text="second").first.get_by_role("button").first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows.filter(has_text="first").first.locator(".qwex-Row-open")).to_be_focused()
    page.keyboard.press("Enter")
    tab_of_page = page.locator(".qwex-Page").get_by_role("tab", name="Overview")
    tab_of_page.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".qwex-Page").get_by_role("tab", name="Logs")).to_be_focused()


def test_all_jobs_in_a_table(tab, lab):
    lab.submit("pass", name="alpha")
    lab.submit("pass", name="omega")
    tab.command("qwex:open-jobs")
    table = tab.page.get_by_role("table", name="Jobs")
    expect(table.get_by_role("row").nth(1)).to_contain_text("omega")
    table.get_by_role("button", name="Name").click()
    table.get_by_role("button", name=re.compile("Name")).click()
    expect(table.get_by_role("columnheader", name=re.compile("Name"))).to_have_attribute("aria-sort", "ascending")
    expect(table.get_by_role("row").nth(1)).to_contain_text("alpha")
    tab.page.locator(".qwex-Dashboard").get_by_label("Find jobs by name or id").fill("omeg")
    expect(table.get_by_role("row")).to_have_count(2)


def test_a_hidden_sidebar_asks_for_nothing(tab, lab):
    tab.sidebar()
    expect(tab.page.get_by_role("list", name="Queues")).to_contain_text("default")
    tab.command("filebrowser:activate")
    tab.listen()
    asked = []
    tab.page.on("request", lambda request: asked.append(request.url) if "/qwex/" in request.url else None)
    # What the first one's end makes anyone ask for has been asked when the second has ended.
    for name in ("unseen", "unseen-too"):
        tab.hears(lab.submit("pass", name=name), "SUCCEEDED")
    assert asked == []


def test_a_sidebar_that_was_never_shown_asks_for_nothing_either(tab, lab):
    lab.qwex("list")  # there is a controller
    asked = []
    tab.page.on("request", lambda request: asked.append(request.url.partition("/qwex/")[2]))
    tab.open()
    tab.listen()
    for name in ("unseen", "unseen-too"):
        tab.hears(lab.submit("pass", name=name), "SUCCEEDED")
    # Whether there is a controller, who asks, and which of their jobs are under way, for the status bar.
    asked = [each for each in asked if each.startswith(("api/", "feed"))]
    # The first is not asked where the server has said it by then.
    assert {each.partition("?")[0] for each in asked} | {"feed"} == {"feed", "api/whoami", "api/jobs"}
    assert all("user=me" in each for each in asked if each.startswith("api/jobs"))


def test_without_websockets_the_page_asks_instead(tab, lab):
    tab.page.route_web_socket(re.compile("events/subscribe"), lambda socket: socket.close())
    tab.open()
    tab.sidebar()
    lab.submit("import time\ntime.sleep(600)", name="unheard")
    expect(tab.section("Running").filter(has_text="unheard")).to_be_visible()


def test_a_card_outlives_its_kernel(tab):
    tab.notebook("%load_ext qwex_magics", f"%%qwex --cpu 0.5\n{COUNTS}")
    # Not awaited: the cell waits for its job.
    tab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    card = tab.page.locator(".qwex-Card")
    expect(card).to_contain_text("Running")
    tab.run("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()")
    card.get_by_role("button", name="Logs").click()
    expect(card.get_by_label(re.compile("Last lines"))).to_contain_text("line")
    card.get_by_role("button", name="Stop").click()
    tab.page.locator(".jp-Dialog").get_by_role("button", name="Stop").click()
    expect(card).to_contain_text("cancelled after")


def test_what_a_cell_logs_is_on_its_card(tab, lab):
    tab.notebook("%load_ext qwex_magics", f"%%qwex --cpu 0.5\n{LOGS}")
    # Not awaited: the cell waits for its job.
    tab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    card = tab.page.locator(".qwex-Card")
    loss = card.get_by_role("img", name=re.compile(r"^loss: \S+ at step \d+, from 1$"))
    expect(loss.locator("path")).to_be_visible()
    expect(card.locator(".qwex-Metric-name")).to_have_text(["accuracy", "loss", "norm"])
    assert tab.axe() == []
    card.get_by_role("button", name="+1 more").click()
    rate = tab.page.get_by_role("table", name="Metrics").get_by_role("row").filter(has_text="rate")
    expect(rate.get_by_role("img", name=re.compile(r"^rate: \S+ at step \d+, from 0.333333$"))).to_be_visible()
    for theme in ("JupyterLab Dark", "JupyterLab Dark High Contrast"):
        tab.command("apputils:change-theme", f"{{theme: '{theme}'}}")
        assert tab.axe() == []
    (lab.work / "enough").touch()
    tab.command("application:close")
    expect(card).to_contain_text("finished in")
    # The last of them, as the notebook keeps it too.
    kept = "JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON())"
    last = tab.page.evaluate(f"() => {kept}.match(/loss \\S+ at step (\\d+)/)[1]")
    shown = card.get_by_role("img", name=re.compile(rf"^loss: \S+ at step {last}, from 1$"))
    expect(shown).to_be_visible()

    tab.run("window.jupyterapp.shell.currentWidget.context.save()")
    path = tab.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path")
    tab.open()
    tab.command("docmanager:open", f"{{path: '{path}'}}")
    expect(shown).to_be_visible()
    asked = tab.page.evaluate("() => performance.getEntriesByType('resource').map(each => each.name)")
    assert not [url for url in asked if "/metrics" in url]


def test_what_came_while_nobody_listened_is_brought_into_the_notebook(tab, lab):
    waits = "import os, time\nwhile not os.path.exists('go-on'):\n    time.sleep(0.05)\nprint('after all')\nx = 42"
    tab.notebook("%load_ext qwex_magics", f"%%qwex -o x\n{waits}")
    tab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    card = tab.page.locator(".qwex-Card").first
    expect(card).to_contain_text("Running")
    tab.run("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    (lab.work / "go-on").touch()
    expect(card).to_contain_text("finished in")
    card.get_by_role("button", name="Bring output and values here").click()
    expect(tab.page.locator(".jp-OutputArea-output", has_text="after all")).to_be_visible()
    expect(tab.page.locator(".qwex-Card").nth(1)).to_contain_text("x → here")


def test_a_card_that_cannot_be_drawn_is_text(tab, lab):
    shown = {"output_type": "display_data", "metadata": {}}
    job = {"id": "a-1", "state": "QUEUED", "why": {"summary": 5, "quota": 7}, "outputs": 3}
    hostile = [{"id": "../../x", "state": "RUNNING"}, {**job, "why": "text"}, job, {**job, "state": "__proto__"}]
    outputs = [
        {**shown, "data": {"application/vnd.qwex.job.v1+json": each, "text/plain": f"card {at}"}}
        for at, each in enumerate(hostile)
    ]
    (lab.work / "stranger.ipynb").write_text(notebook(code("1", outputs=outputs)))
    asked = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.command("docmanager:open", "{path: 'stranger.ipynb'}")
    expect(tab.page.locator(".qwex-CardView")).to_have_count(len(hostile))
    expect(tab.page.locator(".qwex-CardView").first).to_have_text("card 0")
    expect(tab.page.locator(".qwex-CardView").last).not_to_be_empty()
    assert not [url for url in asked if "qwex/api" in url and ".." in url]
    # React says what it could not draw.
    tab.said.clear()


def test_the_ways_in_of_the_menus(tab):
    tab.notebook("1")
    menus = tab.page.get_by_role("menubar").first
    for menu, item in (("Run", "Run Cell as a Job…"), ("View", "All Jobs")):
        menus.get_by_role("menuitem", name=menu, exact=True).click()
        expect(tab.page.get_by_role("menuitem", name=item).first).to_be_visible()
        tab.page.keyboard.press("Escape")


def test_in_notebook_7(tab, lab):
    lab.submit("pass", name="seen")
    cells = [nbformat.v4.new_code_cell("%load_ext qwex_magics"), nbformat.v4.new_code_cell("%%qwex\nprint('there')")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), lab.work / "seven.ipynb")
    tab.open("notebooks/seven.ipynb")
    sidebars = tab.page.locator(".lm-Menu-item", has_text="Left Sidebar")

    def offered():
        tab.page.keyboard.press("Escape")
        tab.page.get_by_role("menuitem", name="View", exact=True).click()
        return sidebars.count() > 0

    wait_until(offered, "the sidebar in the menu")
    sidebars.hover()
    tab.page.get_by_role("menuitem", name="Show Jobs and queues").click()
    expect(tab.section("Finished").filter(has_text="seen").first).to_be_visible()
    tab.ready()
    tab.command("notebook:run-all-cells")
    expect(tab.page.locator(".qwex-Card")).to_contain_text("Succeeded")
    tab.page.locator(".qwex-Card-name").click()
    page = tab.page.locator(".qwex-Page")
    expect(page.get_by_role("tab", name="Overview")).to_be_visible()
    wait_until(lambda: page.bounding_box()["height"] > 200, "room for the page below the notebook")


def test_a_job_dropped_into_a_notebook_is_attached_to(tab, lab):
    job = lab.submit("pass", name="dropped")
    tab.sidebar()
    tab.notebook("1")
    row = tab.section("Finished").filter(has_text="dropped").first.locator(".qwex-Row-open")
    start, end = row.bounding_box(), tab.page.locator(".jp-Notebook .jp-Cell").first.bounding_box()
    mouse = tab.page.mouse
    mouse.move(start["x"] + 40, start["y"] + 10)
    mouse.down()
    mouse.move(start["x"] + 80, start["y"] + 20, steps=5)
    mouse.move(end["x"] + 200, end["y"] + end["height"] - 3, steps=10)
    mouse.up()
    expect(tab.page.locator(".jp-Notebook .jp-Cell", has_text=f'qwex.attach("{job}")')).to_be_visible()


def test_a_link_to_a_job(tab, lab):
    job = lab.submit("pass", name="linked")
    tab.open(f"lab?qwex-job={job}")
    expect(tab.page.locator(".qwex-Page").get_by_role("heading", name="linked")).to_be_visible()


def test_nothing_of_it_is_out_of_reach(tab, lab):
    """Axe, on all that is qwex's."""
    lab.submit(FAILS, name="wrong")
    lab.submit(COUNTS, name="runs")
    tab.sidebar()
    tab.notebook("%load_ext qwex_magics", "%%qwex\nprint(1)")
    tab.command("notebook:run-all-cells")
    expect(tab.page.locator(".qwex-Card")).to_contain_text("Succeeded")
    assert tab.axe() == []
    tab.command("qwex:open-jobs")
    expect(tab.page.get_by_role("table", name="Jobs").get_by_role("row").nth(2)).to_be_visible()
    assert tab.axe() == []
    tab.section("Finished").filter(has_text="wrong").first.get_by_role("button").first.click()
    for name in ("Overview", "Logs", "Outputs", "Values and files", "Spec", "Events"):
        tab.page.locator(".qwex-Page").get_by_role("tab", name=name).click()
        assert tab.axe() == [], name
    tab.command("apputils:change-theme", "{theme: 'JupyterLab Dark'}")
    assert tab.axe() == []


def test_changes_that_did_not_arrive_are_noticed(tab, lab):
    """As when a proxy drops the event bus's socket, and JupyterLab makes a new one a moment later."""

    passes = True

    def with_a_gap(socket):
        server = socket.connect_to_server()
        server.on_message(lambda text: socket.send(text) if passes else None)

    tab.page.route_web_socket(re.compile("events/subscribe"), with_a_gap)
    tab.open()
    tab.sidebar()
    running = tab.section("Running").filter(has_text="missed")
    tab.listen()
    tab.page.wait_for_function("() => window.told.length")
    passes = False
    job = lab.submit("import time\ntime.sleep(600)", name="missed")
    wait_until(lambda: job in lab.qwex("list", "--status", "running"), "the job")
    expect(running).to_have_count(0)
    passes = True
    # Another browser's tab opens, so that the server says something.
    tab.listen()
    expect(running).to_be_visible()
    lab.qwex("cancel", job)
