"""Pictures of qwex in JupyterLab, in light and dark: ``make screenshots``. The best of them are in the docs."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / folder) for folder in ("lab", "cluster", "shared")]

from labs import ARGUMENTS, CHROMIUM, Lab, Tab  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark", "contrast": "JupyterLab Dark High Contrast"}
TRAIN = """\
import time
for epoch in range(200):
    print(f"epoch {epoch}  loss {1 / (epoch + 1):.3f}", flush=True)
    time.sleep(0.2)
"""
FAILS = "print('\\033[32mloading\\033[0m the data')\nraise ValueError('the learning rate must be positive, got -1')\n"
CELL = """\
%%qwex --cpu 0.5 -o slope
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 4, 50)
y = 2 * x + np.random.default_rng(0).normal(0, 1, 50)
slope = np.polyfit(x, y, 1)[0]
fig, axes = plt.subplots(figsize=(4, 2.2))
axes.plot(x, y, ".", x, slope * x)
print(f"slope {slope:.2f}")
"""
WAITS = "%%qwex --cpu 2\nprint('my turn')"


def main(folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="qs", dir="/tmp"))
    lab = Lab(home)
    lab.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            for name, theme in THEMES.items():
                page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
                take(
                    Tab(page, lab), theme, lambda what, page=page, name=name: shot(page, folder / f"{what}-{name}.png")
                )
                page.close()
            browser.close()
    finally:
        lab.stop()
        shutil.rmtree(home, ignore_errors=True)


def take(tab: Tab, theme: str, shoot) -> None:
    """The states of one theme."""
    lab = tab.lab
    tab.open()
    tab.command("apputils:change-theme", f"{{theme: '{theme}'}}")
    tab.sidebar()
    tab.page.wait_for_timeout(800)
    shoot("empty")
    wrong = lab.submit(FAILS, name="tune")
    runs = lab.submit(TRAIN, name="train")
    tab.notebook("%load_ext qwex_magics", CELL, WAITS)
    # Not awaited: the last cell waits for as long as the other job runs.
    tab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    tab.page.locator(".qwex-Card").nth(1).get_by_role("button", name="Why?").click()
    tab.page.wait_for_timeout(1500)
    shoot("notebook")
    tab.command("qwex:open-job", f"{{id: '{wrong}', name: 'tune'}}")
    tab.page.locator(".qwex-Cause").wait_for()
    shoot("failed")
    tab.command("qwex:open-job", f"{{id: '{runs}', name: 'train', tab: 'logs'}}")
    tab.page.locator(".qwex-Log-line").nth(5).wait_for()
    shoot("log")
    tab.command("qwex:open-jobs")
    tab.page.wait_for_timeout(800)
    shoot("table")
    lab.qwex("cancel", runs)


def shot(page, path: Path) -> None:
    """One picture."""
    page.screenshot(path=str(path))
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
