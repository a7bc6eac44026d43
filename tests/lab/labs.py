"""A real JupyterLab with a controller of its own, and a tab of a real Chromium that looks at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from harness.network import free_ports
from harness.waiting import wait_until
from jupyter_server.auth import passwd
from leftovers import end_all
from playwright.sync_api import expect

HERE = Path(__file__).parent
AXE = HERE.parents[1] / "qwex_ext" / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
TOKEN = "of-the-tests"
SECONDS = 30
#: Named for what it is on Debian, elsewhere, and on macOS.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
expect.set_options(timeout=SECONDS * 1000)
#: Each takes all there is of the queue.
CLEAR = """\
import qwex
with qwex.Client(start=False) as client:
    for record in client.list(state=["PENDING", "QUEUED", "ADMITTED", "RUNNING"], limit=1000).records:
        client.cancel(record.id)
"""
CROWD = """\
import qwex
client = qwex.Client()
cpu = next(line.nominal for line in client.queues()[0].quota if line.resource == "cpu")
def job(name, *command):
    return {{"source": {{"kind": "command", "name": name}}, "args": command, "resources": {{"cpu": f"{{cpu:g}}"}}}}
client.submit(job("hog", "sleep", "600"))
client.submit_many([job(f"crowd-{{n:04}}", "true") for n in range({count})])
"""
_SEVEN = "--JupyterNotebookApp.expose_app_in_browser=True"
_NEWS = '{"fetchNews": "false", "checkForUpdates": false}'


class Lab:
    """A Jupyter server, its files and its controller, all in one short folder.

    ``url``, without a slash at its end, is where the browser finds it, which may be a proxy's.
    """

    def __init__(self, folder, base="/", password=""):
        self.folder = folder
        self.password = password
        self.base = base.rstrip("/")
        self.work = folder / "work"
        self.work.mkdir()
        self.env = {
            **{name: text for name, text in os.environ.items() if not name.startswith(("QWEX_", "JUPYTER_"))},
            "HOME": str(folder),
            "QWEX_HOME": str(folder / "q"),
            "QWEX_MLFLOW__ENABLED": "false",
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "run"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        news = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        news.parent.mkdir(parents=True)
        news.write_text(_NEWS)

    def start(self):
        (port,) = free_ports(1)
        self.origin = f"http://127.0.0.1:{port}"
        self.url = self.origin + self.base
        options = ("--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", *self._login())
        base = (f"--ServerApp.base_url={self.base}/", "--ServerApp.port_retries=0")
        lab = (*base, "--LabApp.expose_app_in_browser=True", _SEVEN)
        with (self.folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "jupyter", "lab", *options, *lab]
            self.process = subprocess.Popen(command, cwd=self.work, env=self.env, stdout=log, stderr=log)
        wait_until(self._answers, f"JupyterLab; see {self.folder / 'log'}", 60, 0.1)

    def _login(self):
        if not self.password:
            return (f"--IdentityProvider.token={TOKEN}",)
        return ("--IdentityProvider.token=", f"--PasswordIdentityProvider.hashed_password={passwd(self.password)}")

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return urllib.request.urlopen(f"{self.origin}{self.base}/api", timeout=5).status == 200
        except OSError:
            return False

    def asked(self, *words):
        """The command, ended."""
        return self._ended("-m", "qwex.cli", *words)

    def qwex(self, *words):
        """What the command prints."""
        return self._printed(self.asked(*words))

    def python(self, text):
        """What that prints, run where the commands are."""
        return self._printed(self._ended("-c", text))

    def _ended(self, *words):
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=self.work, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
        )

    @staticmethod
    def _printed(done):
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill_controller(self):
        os.kill(json.loads(self.qwex("controller", "status", "--json"))["pid"], signal.SIGKILL)

    def submit(self, text, *words, name="job"):
        """A script of that text as a job; its id."""
        script = self.work / f"{name}.py"
        script.write_text(text)
        return self.qwex("submit", "--json", *words, str(script)).partition('"id": "')[2].partition('"')[0]

    def clear(self):
        """End what runs and waits: it would take the next test's place."""
        if (self.folder / "q" / "controller.sock").exists():
            self.python(CLEAR)

    def crowd(self, count):
        """So many jobs that wait behind one: ``crowd-0000`` and so on, the last one newest."""
        self.python(CROWD.format(count=count))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        end_all(self.folder)


@contextmanager
def running_lab(base="/", password="", **env):
    """A lab that is there for the block, with nothing left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ql", dir="/tmp"))
    lab = Lab(folder, base, password)
    lab.env |= env
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Tab:
    """A browser's tab with JupyterLab in it; ``said`` is what its console had to say."""

    def __init__(self, page, lab):
        self.page = page
        self.lab = lab
        self.said = []
        page.set_default_timeout(SECONDS * 1000)
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def _hear(self, kind, text):
        if kind in ("error", "warning"):
            self.said.append(text)

    def open(self, path="lab?reset"):
        sign = "&" if "?" in path else "?"
        self.page.goto(f"{self.lab.url}/{path}" + ("" if self.lab.password else f"{sign}token={TOKEN}"))
        password = self.page.locator("input[name=password]")
        if self.lab.password and password.count():
            password.fill(self.lab.password)
            password.press("Enter")
        self.page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored")
        self.run("window.jupyterapp.restored")

    def run(self, expression):
        """Await an expression in the page, and give nothing back."""
        self.page.evaluate(f"async () => {{ await ({expression}); }}")

    def command(self, name, args="{}"):
        self.run(f"window.jupyterapp.commands.execute('{name}', {args})")

    def listen(self):
        """Keep what the event bus tells of jobs, which it does from when this returns."""
        self.page.evaluate("() => { window.told = []; }")
        told = "(_, event) => window.told.push(`${event.id} ${event.state}`)"
        self.page.evaluate(f"() => {{ window.jupyterapp.serviceManager.events.stream.connect({told}); }}")

        wait_until(self._connected, "changes of jobs on the event bus", SECONDS)

    def _connected(self):
        # Not by the page: what that asks for is what some tests look at.
        cookies = {each["name"]: each["value"] for each in self.page.context.cookies()}
        headers = {"x-xsrftoken": cookies["_xsrf"]} if self.lab.password else {"authorization": f"token {TOKEN}"}
        return self.page.request.post(f"{self.lab.url}/qwex/feed", headers=headers).json()["connected"]

    def hears(self, job, state):
        """Return when that was told of it."""
        self.page.wait_for_function("news => window.told.includes(news)", arg=f"{job} {state}")

    def axe(self):
        """What axe-core finds wrong with qwex's own views: the rule and the place of each."""
        if not AXE.exists():
            raise FileNotFoundError("axe-core is not installed; the build of the labextension installs it")
        self.page.add_script_tag(path=AXE)
        found = self.page.evaluate("async () => (await axe.run({include: [['.qwex-View']]})).violations")
        return [(each["id"], node["html"][:200], node["failureSummary"]) for each in found for node in each["nodes"]]

    def form(self):
        """The form that has just been opened, once it has put the focus where it wants it."""
        dialog = self.page.locator(".jp-Dialog")
        expect(dialog.locator("input").first).to_be_focused()
        return dialog

    def sidebar(self):
        self.run("window.jupyterapp.shell.activateById('qwex-sidebar')")
        self.page.get_by_role("region", name="Jobs and queues").wait_for()

    def section(self, name):
        """The rows of one section of the sidebar."""
        return self.page.get_by_role("list", name=f"{name} jobs").get_by_role("listitem")

    def scroll_down(self, name):
        """To the end of what is loaded of a section."""
        rows = self.page.get_by_role("list", name=f"{name} jobs")
        rows.evaluate("list => list.parentElement.scrollTo(0, list.scrollHeight)")

    def ready(self):
        """Cells that are run while the connection to a new kernel is still being made are lost."""
        self.page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel")
        self.run("window.jupyterapp.shell.currentWidget.sessionContext.ready")
        self.run("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code: ''}).done")

    def notebook(self, *cells):
        """A new notebook with these cells."""
        self.command("notebook:create-new", "{kernelName: 'python3'}")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.ready()
        for at, source in enumerate(cells):
            if at:
                self.command("notebook:insert-cell-below")
            self.write(source)

    def write(self, source):
        """Into the active cell."""
        self.page.evaluate(
            "text => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(text)",
            source,
        )


class LogTab:
    """The log of a job on its page."""

    def __init__(self, tab, job, name):
        tab.command("qwex:open-job", f"{{id: '{job}', name: '{name}', tab: 'logs'}}")
        self.view = tab.page.locator(".qwex-Log")
        self.lines = self.view.locator(".qwex-Log-line")
        self.here = self.view.locator(".qwex-mod-here")
        self.box = self.view.get_by_role("log")
        self.follow = self.view.get_by_role("button", name="Follow")

    def search(self, text):
        self.view.get_by_label("Search the log").fill(text)

    def scroll(self, end):
        self.box.evaluate("(box, end) => box.scrollTo(0, end ? box.scrollHeight : 0)", end)

    def place(self):
        """Where the line that was found stands in the box."""
        return self.here.bounding_box()["y"] - self.box.bounding_box()["y"]
