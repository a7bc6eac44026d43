"""The same notebook with Kueue behind it: its cells are pods that wait for a real quota."""

from __future__ import annotations

import re
import uuid

import pytest
from harness import images, objects
from harness.progress import silent
from harness.source import open_cluster
from harness.waiting import wait_until
from labs import running_lab
from people import admit
from playwright.sync_api import expect

pytestmark = pytest.mark.cluster
COUNTS = "import time\nfor n in range(400):\n    print('line', n, flush=True)\n    time.sleep(0.1)"
PLOTS = """\
import os
import matplotlib.pyplot as plt
import numpy as np
print("as user", os.getuid())
total = int(np.arange(10).sum())
plt.plot([0, total])
plt.show()"""


@pytest.fixture(scope="module")
def cluster():
    """Made before the browser is opened, and ended after it: a browser drops its requests when the network changes."""
    found = open_cluster(f"lab-{uuid.uuid4().hex[:8]}", silent)
    yield found
    found.close()


@pytest.fixture(scope="module")
def namespace(cluster):
    """Has one queue with one core, for somebody with the rights of deploy/kueue."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    quotas = {"cpu": "1", "memory": "8Gi"}
    cluster.apply(
        objects.namespace(name), objects.cluster_queue(name, quotas), objects.local_queue(name, "default", name)
    )
    yield name
    cluster.delete("-n", name, "jobs,pods", "--all")
    cluster.delete("clusterqueues.kueue.x-k8s.io", name)
    cluster.delete("namespace", name)


@pytest.fixture(scope="module")
def lab(cluster, namespace):
    settings = {
        "KUBECONFIG": str(admit(cluster, namespace)),
        "NAMESPACE": namespace,
        "IMAGE": images.IPYTHON,
        "LINGER": "30",
    }
    kueue = {f"QWEX_KUEUE__{name}": value for name, value in settings.items()}
    with running_lab(QWEX_DEFAULT_BACKEND="kueue", **kueue) as running:
        yield running


@pytest.fixture
def notebook(tab):
    """A notebook of these cells that runs them all, and goes on when the last one does."""

    def run(*cells):
        tab.notebook("%load_ext qwex_magics", *cells)
        tab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        return tab.page.locator(".qwex-Card")

    tab.sidebar()
    return run


def said(tab, text):
    return tab.page.locator(".jp-Notebook .jp-OutputArea-output", has_text=re.compile(text)).first


def stop(tab, view):
    view.get_by_role("button", name="Stop").click()
    tab.page.locator(".jp-Dialog").get_by_role("button", name="Stop").click()


def test_a_cell_waits_for_its_quota_and_comes_back(tab, lab, notebook):
    hog = lab.submit("import time\ntime.sleep(600)", "--cpu", "1", name="hog")
    expect(tab.section("Running").filter(has_text="hog")).to_be_visible()
    card = notebook(f"%%qwex --cpu 0.5 -o total\n{PLOTS}", "print('one more', total + 1)")
    expect(card).to_contain_text("Queued")
    expect(card).to_contain_text("1st in default, 1st in the cluster queue")
    expect(card).to_contain_text("waits for")
    card.get_by_role("button", name="Why?").click()
    expect(card.get_by_role("table", name="Quotas").get_by_role("row", name=re.compile("^cpu"))).to_have_text(
        "cpu0.511"
    )
    expect(tab.section("Waiting")).to_have_count(1)
    expect(tab.page.get_by_role("list", name="Queues")).to_contain_text("1 waiting")
    lab.qwex("cancel", hog)
    expect(card).to_contain_text("total → here")
    expect(card).to_contain_text("Succeeded")
    expect(said(tab, "as user 1000")).to_be_visible()
    expect(tab.page.locator(".jp-Notebook .jp-RenderedImage img")).to_be_visible()
    expect(said(tab, "one more 46")).to_be_visible()
    card.locator(".qwex-Card-name").click()
    page = tab.page.locator(".qwex-Page")
    expect(page.get_by_role("list", name="What has happened")).to_contain_text("Starting")
    page.get_by_role("tab", name="Outputs").click()
    expect(page.locator(".jp-RenderedImage img")).to_be_visible()


def test_a_job_is_followed_through_a_reload_stopped_and_submitted_again(tab, cluster, namespace, notebook):
    card = notebook(f"%%qwex --name counts --cpu 0.5\n{COUNTS}")
    expect(card).to_contain_text("Running")
    tab.run("window.jupyterapp.shell.currentWidget.context.save()")
    job = card.locator(".qwex-Card-name").inner_text()

    def kept(answer):  # that of the layout before may come first
        return answer.request.method == "PUT" and "api/workspaces" in answer.url and job in answer.request.post_data

    with tab.page.expect_response(kept):
        tab.command("qwex:open-job", f"{{id: '{job}', tab: 'logs'}}")
    page = tab.page.locator(".qwex-Page:visible")
    log = page.locator(".qwex-Log-lines")
    expect(log).to_contain_text(re.compile(r"line \d"))
    tab.page.reload()
    expect(page.get_by_role("tab", name="Logs")).to_have_attribute("aria-selected", "true")
    expect(log).to_contain_text(re.compile(r"line \d"))
    seen = log.inner_text()
    expect(log).not_to_have_text(seen)
    stop(tab, page)
    expect(page.locator(".qwex-Title-state")).to_contain_text("cancelled after")
    wait_until(lambda: job not in cluster.kubectl("-n", namespace, "get", "jobs", "-o", "name"), "the Job to go")

    page.get_by_role("button", name="Submit again").click()
    expect(page.locator(".qwex-Title code")).not_to_have_text(job)
    expect(page.locator(".qwex-Title-state")).to_contain_text("Running")
    page.get_by_role("tab", name="Logs").click()
    expect(log).to_contain_text("line 3")
    stop(tab, page)
    expect(page.locator(".qwex-Title-state")).to_contain_text("cancelled after")


def test_a_job_outlives_its_kernel(tab, notebook):
    card = notebook(f"%%qwex --name survives --cpu 0.5\n{COUNTS}")
    expect(card).to_contain_text("Running")
    tab.run("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    tab.ready()
    card.get_by_role("button", name="Logs").click()
    last = card.get_by_label(re.compile("Last lines"))
    expect(last).to_contain_text("line")
    seen = last.inner_text()
    expect(last).not_to_have_text(seen)
    expect(card).to_contain_text("Running")

    job = card.locator(".qwex-Card-name").inner_text()
    tab.write(f"%load_ext qwex_magics\n%qwex attach {job}")
    tab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")
    expect(said(tab, "^line 0\nline 1")).to_be_visible()
    stop(tab, card.last)
    expect(card.last).to_contain_text("cancelled after")
    expect(tab.section("Running")).to_have_count(0)
