"""Dev machines in the sidebar, as a person meets them."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress

import labplaces
import pytest
from labs import running_lab
from playwright.sync_api import expect

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs OpenSSH's ssh-keygen")
#: Of this Python, under the name that a kernel on the machine has.
KERNEL = {
    "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Python (train)",
    "language": "python",
}
NOWHERE = {"machines": [], "providers": ["kueue"], "default_provider": ""}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running_lab(**labplaces.install(tmp_path_factory.mktemp("places") / "site")) as running:
        yield running


@pytest.fixture
def machines(tab, lab):
    """The section of the sidebar, which has no machine."""
    tab.sidebar()
    yield Section(tab)
    for each in json.loads(lab.qwex("machine", "list", "--json"))["machines"]:
        lab.qwex("machine", "delete", each["name"])


class Section:
    """What of the sidebar is about machines."""

    def __init__(self, tab):
        self.page = tab.page
        self.sidebar = tab.page.get_by_role("region", name="Jobs and queues")
        self.rows = self.sidebar.get_by_role("list", name="Dev machines").locator(":scope > li")

    def row(self, name):
        return self.rows.filter(has=self.page.locator(f"[data-machine^='{name}-']"))

    def do(self, name, what):
        """Press a button of the machine's row, which is there under the pointer."""
        self.row(name).hover()
        self.row(name).get_by_role("button", name=what, exact=True).click()

    def create(self, **fields):
        self.sidebar.get_by_role("button", name="Create a dev machine").click()
        return self.fill(**fields)

    def fill(self, **fields):
        dialog = self.page.locator(".jp-Dialog")
        for label, text in fields.items():
            dialog.get_by_label(label.replace("_", " "), exact=True).fill(text)
        dialog.get_by_role("button", name="Create").click()
        return dialog


def make(lab, name, *words):
    """A machine that another front end has made; its id and the place's name of it."""
    found = json.loads(lab.qwex("machine", "create", name, "--json", *words))
    return found["id"], f"native-{found['id']}"


def test_a_machines_life_in_the_sidebar(machines, lab, tab):
    page = tab.page
    page.get_by_role("button", name="Create a machine").click()
    dialog = machines.fill(Name="Train it", GPUs="1", Memory="lots", Stops_without_use_after="2h")
    dialog.get_by_text("small letters").wait_for()
    wrong = dialog.get_by_label("Memory", exact=True)
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_value("lots")
    told = "'lots' is not an amount of memory above 0; write for example 512Mi, 2Gi or 2G"
    expect(wrong).to_have_accessible_description(told)
    machines.fill(Name="train", Memory="4Gi")
    row = machines.row("train")
    expect(row).to_contain_text("Running1 GPU · 1 CPU · 4Gi · node-1inactive 34m of 2h")
    # Whoever made it can log in: their key is let in, and ssh knows it.
    assert "Host qwex-train" in (lab.folder / "q" / "ssh" / "config").read_text()
    row.hover()
    link = row.get_by_role("link", name="Open train in VS Code")
    expect(link).to_have_attribute("href", "vscode://vscode-remote/ssh-remote+qwex-train/home/dev")

    machines.do("train", "Stop train")
    page.locator(".jp-Dialog").get_by_role("button", name="Stop").click()
    expect(row).to_contain_text("Stopped")
    machines.do("train", "Start train")
    expect(row).to_contain_text("Running")
    row.get_by_role("button", expanded=False).click()
    story = row.get_by_role("list", name="What has become of train")
    expect(story.locator("li", has_text="start by").first).to_be_visible()
    expect(row).to_contain_text("ssh qwex-train")
    assert tab.axe() == []

    machines.do("train", "Delete train")
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("Its home is kept")
    dialog.get_by_label("Delete the home, too").check()
    with page.expect_request(lambda asked: asked.method == "DELETE") as asked:
        dialog.get_by_role("button", name="Delete").click()
    assert "?purge=1" in asked.value.url
    expect(machines.sidebar.get_by_role("button", name="Create a machine")).to_be_visible()


def test_what_others_do_with_it_is_shown_as_it_happens(machines, lab, tab):
    requests = []
    tab.page.on("request", lambda request: requests.append(request.url))
    _, native_id = make(lab, "wide", "--gpu", "H100:8")
    row = machines.row("wide")
    expect(row).to_contain_text("Running")
    labplaces.say(lab, native_id, state="QUEUED", reason="Preempted", message="it made way for train-7k3f9q", node="")
    expect(row).to_contain_text("QueuedH100:8 · 1 CPUPreempted: it made way for train-7k3f9q")
    row.get_by_role("button", expanded=False).click()
    expect(row).to_contain_text("it waits for a GPU")
    labplaces.say(lab, native_id, state="FAILED", reason="OutOfMemory", message="it used more than 4Gi")
    expect(row.locator(".qwex-mod-wrong")).to_have_text("OutOfMemory: it used more than 4Gi")
    lab.qwex("machine", "delete", "wide")
    expect(machines.rows).to_have_count(0)
    # Each of a handful of changes, and no more: nothing asks again and again.
    assert len([url for url in requests if "machines?user=me" in url]) < 20


def test_by_the_keyboard(machines, lab, tab):
    for name in ("one", "two"):
        make(lab, name)
    expect(machines.rows).to_have_count(2)
    press = tab.page.keyboard.press
    machines.row("one").locator("[data-machine]").focus()
    press("ArrowDown")
    expect(machines.row("two").locator("[data-machine]")).to_be_focused()
    press("Enter")
    expect(machines.row("two")).to_contain_text("ssh qwex-two")
    press("Delete")
    expect(tab.page.locator(".jp-Dialog")).to_contain_text("“two” is deleted")
    press("Escape")
    expect(tab.page.locator(".jp-Dialog")).to_have_count(0)
    expect(machines.rows).to_have_count(2)


def test_a_notebook_on_it_where_there_is_a_kernel_for_it(machines, lab, tab):
    make(lab, "train")
    # Whoever makes or starts a machine has Jupyter list a kernel on it.
    spec = lab.folder / "data" / "kernels" / "qwex-machine-train" / "kernel.json"
    assert json.loads(spec.read_text())["display_name"] == "Python (train)"
    listed = spec.rename(spec.with_suffix(".away"))
    # Kernels are looked for when a machine changes.
    lab.qwex("machine", "stop", "train")
    row = machines.row("train")
    row.hover()
    expect(row.get_by_role("button", name="Start train")).to_be_visible()
    expect(row.get_by_role("button", name="New notebook on train")).to_have_count(0)
    listed.rename(spec)
    lab.qwex("machine", "start", "train", "--detach")
    spec.write_text(json.dumps(KERNEL))  # the place has no machine
    try:
        machines.do("train", "New notebook on train")
        expect(tab.page.locator(".jp-Toolbar-kernelName", has_text="Python (train)")).to_be_visible()
        tab.command("application:close")
        with suppress(TimeoutError):
            tab.run("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    finally:
        shutil.rmtree(spec.parent)


def test_without_a_place_for_machines_there_is_no_section(tab):
    answer = "**/qwex/api/machines?user=me*"
    tab.page.route(answer, lambda route: route.fulfill(json=NOWHERE))
    tab.open()
    tab.sidebar()
    sidebar = tab.page.locator(".qwex-Sidebar")
    expect(sidebar.get_by_text("Queues", exact=True)).to_be_visible()
    expect(sidebar.get_by_text("Machines", exact=True)).to_have_count(0)
    tab.page.unroute(answer)
    tab.page.get_by_role("button", name="Ask again").click()
    expect(sidebar.get_by_text("Machines", exact=True)).to_be_visible()
