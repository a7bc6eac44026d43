"""A JupyterLab for the tests of a module, and a browser's tab in it for each."""

from __future__ import annotations

import pytest
from labs import ARGUMENTS, CHROMIUM, Tab, running_lab
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="module")
def lab():
    with running_lab() as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("there is no chromium on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def tab(lab, browser):
    context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    opened = Tab(context.new_page(), lab)
    opened.open()
    yield opened
    context.close()
    lab.clear()
    assert [text for text in opened.said if "qwex" in text.lower()] == []
