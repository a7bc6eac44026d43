"""Jobs that a tracker records, in JupyterLab."""

from __future__ import annotations

import pytest
from labs import running_lab
from playwright.sync_api import expect

PAGES = "http://127.0.0.1:9/mlflow"
LOGS = """\
import os, time
import mlflow
step = 0
while not os.path.exists('enough'):
    step += 1
    mlflow.log_metric('score', 1 / step, step=step)
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def lab():
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    with running_lab(QWEX_MLFLOW__ENABLED="true", QWEX_MLFLOW__UI_URL=PAGES) as running:
        yield running


def test_a_link_that_comes_later_is_on_the_card_the_page_and_in_the_notebook(tab):
    tab.notebook("%load_ext qwex_magics", "%%qwex\n1 + 1")
    tab.command("notebook:run-all-cells")
    card = tab.page.locator(".qwex-Card")
    expect(card).to_contain_text("finished in")
    expect(card.get_by_role("link", name="MLflow")).to_be_visible()
    kept = "JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON())"
    tab.page.wait_for_function(f"() => {kept}.includes('{PAGES}')")
    assert tab.page.evaluate(f"() => {kept}.includes('text/html')")
    card.locator(".qwex-Card-name").click()
    expect(tab.page.locator(".qwex-Page").get_by_role("link", name="MLflow")).to_be_visible()


def test_what_only_mlflow_knows_is_on_the_card(tab, lab):
    tab.notebook("%load_ext qwex_magics", f"%%qwex\n{LOGS}")
    # Not awaited: the cell waits for its job.
    tab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    card = tab.page.locator(".qwex-Card")
    expect(card.locator(".qwex-Metric-name")).to_have_text("score")
    expect(card.get_by_role("link", name="MLflow")).to_be_visible()
    (lab.work / "enough").touch()
    expect(card).to_contain_text("finished in")
    expect(card.get_by_role("img", name="from 1")).to_be_visible()
