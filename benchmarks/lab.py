"""JupyterLab's part under load, in a real Chromium: ``make bench-lab``. It takes about three minutes.

Starts a JupyterLab and a controller of its own, prints each goal beside what was measured, and ends them.
"""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / folder) for folder in ("lab", "cluster", "shared")]

import machine  # noqa: E402
from labs import ARGUMENTS, CHROMIUM, Lab, LogTab, Tab  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

BUILT = HERE.parent / "qwex_ext" / "labextension" / "built" / "static"
JOBS, LINES, SECONDS, PER_SECOND = 1000, 100_000, 20, 10_000
CHANGES, PAINTS, UPDATES, LOADS = 10, 7, 7, 15
WORDS = {"RUNNING": "Running", "SUCCEEDED": "Succeeded"}
LONG = f"for n in range({LINES}):\n    print('line', n, 'of many')"
FAST = f"""\
import time
start, n = time.time(), 0
while n < {SECONDS * PER_SECOND}:
    while n < (time.time() - start) * {PER_SECOND}:
        print(f"{{n}} {{time.time():.3f}} a line of a log that is as long as lines of logs are, more or less")
        n += 1
    time.sleep(0.005)
print("in all", n)
"""
#: Jobs one after the other; when the controller recorded each of their states.
STATES = f"""\
import json, time, qwex
client, told = qwex.Client(), []
for n in range({CHANGES}):
    source = {{"kind": "command", "name": f"change-{{n}}"}}
    job = client.submit({{"source": source, "args": ["sleep", "0.7"]}})
    job.wait()
    time.sleep(0.5)
    told += [(job.id, event.data["state"], event.ts) for event in client.events(job.id) if event.type == "state"]
print(json.dumps(told))
"""
#: When each job was first drawn in each state.
SEE = """() => {
  window.seen = {};
  const look = () => {
    for (const row of document.querySelectorAll('.qwex-Rows [data-job]')) {
      window.seen[`${row.dataset.job} ${row.querySelector('.qwex-Row-state').textContent}`] ??= Date.now();
    }
    requestAnimationFrame(look);
  };
  look();
}"""
#: Milliseconds from the click to the frame with rows in it.
PAINT = """() => new Promise(resolve => {
  const start = performance.now();
  const done = new MessageChannel();
  done.port1.onmessage = () => resolve(performance.now() - start);
  const look = () => requestAnimationFrame(() =>
    document.querySelector('[aria-label="Waiting jobs"] .qwex-Row') ? done.port2.postMessage(0) : look());
  window.jupyterapp.shell.activateById('qwex-sidebar');
  look();
})"""
#: Milliseconds between frames, and from a line's printing to its being seen, until they are asked for.
WATCH = """() => {
  window.gaps = [], window.lags = [];
  let last = performance.now();
  const frame = now => {
    window.gaps.push(now - last);
    last = now;
    const printed = document.querySelector('.qwex-Log-line:last-child .qwex-Log-text')?.textContent.split(' ')[1];
    Number(printed) > 1e9 && window.lags.push(Date.now() - 1000 * printed);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
LOADED = """
const look = () => window.jupyterapp
  ? window.jupyterapp.restored.then(() => { window.loaded = performance.now(); })
  : setTimeout(look, 5);
look();
"""


class Table:
    """Prints the rows as they come, and remembers whether each goal was met."""

    def __init__(self):
        self.met = True
        print(f"| {'':58} | {'goal':>9} | {'measured':>27} | met |\n|---|---|---|---|", flush=True)

    def row(self, name, most, unit, *samples):
        """The median is what the goal is for."""
        median = statistics.median(samples)
        met = median <= most
        self.met &= met
        said = f"{median:,.1f} {unit}"
        if len(samples) > 1:
            said += f" ({min(samples):,.1f} … {max(samples):,.1f})"
        print(f"| {name:58} | {f'≤ {most} {unit}':>9} | {said:>27} | {'yes' if met else '**no**'} |", flush=True)


def changes(tab, table):
    """From the controller's record of a change to the frame that shows it."""
    tab.sidebar()
    tab.listen()
    tab.page.evaluate(SEE)
    told = json.loads(tab.lab.python(STATES))
    seen = tab.page.evaluate("() => window.seen")
    taken = [seen[f"{job} {WORDS[state]}"] - at * 1000 for job, state, at in told if state in WORDS]
    table.row("a change in the controller, on screen", 200, "ms", *taken)


def thousand(tab, table):
    """The sidebar's first paint, each time in a new page, and what one change of one row costs it."""
    tab.lab.crowd(JOBS)
    first = []
    for _ in range(PAINTS):
        tab.open()
        tab.listen()
        tab.page.wait_for_load_state("networkidle")
        first.append(tab.page.evaluate(PAINT))
    table.row(f"the sidebar with {JOBS:,} jobs, first paint", 200, "ms", *first)
    waiting = tab.section("Waiting")
    while waiting.last.get_attribute("aria-posinset") != str(JOBS):
        tab.scroll_down("Waiting")
    longest, all_of_it = [], []
    for at in range(UPDATES + 1):
        job = waiting.nth(2).locator("[data-job]").get_attribute("data-job")
        tasks = traced(tab, lambda job=job: tab.lab.qwex("cancel", job))
        if at:  # the first one is compiled
            longest.append(max(tasks))
            all_of_it.append(sum(tasks))
    table.row("one row of them changes: the longest that the page is busy", 16, "ms", *longest)
    table.row("... the whole work in the page, with what it asks for after", 100, "ms", *all_of_it)


def traced(tab, act):
    """Milliseconds of the page's thread in each of its tasks, while that is done and for a second more."""
    browser = tab.page.context.browser
    tab.page.evaluate("() => { document.title = String(Math.random()); }")
    browser.start_tracing(page=tab.page, categories=["-*", "disabled-by-default-devtools.timeline"])
    act()
    tab.page.wait_for_timeout(1000)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    mains = {
        (e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    tasks = [e for e in events if e["name"] == "RunTask" and "dur" in e and (e["pid"], e["tid"]) in mains]
    return [e.get("tdur", e["dur"]) / 1000 for e in tasks]


def following(tab, table):
    """A log that grows fast, followed."""
    page, session = tab.page, tab.page.context.new_cdp_session(tab.page)
    before = heap(session)
    log = LogTab(tab, tab.lab.submit(FAST, name="fast"), "fast")
    log.lines.first.wait_for()
    page.evaluate(WATCH)
    log.lines.filter(has_text="in all").wait_for(timeout=1000 * (SECONDS + 30))
    gaps, lags = page.evaluate("() => [window.gaps, window.lags]")
    # Once the job has ended, its last line only grows older from frame to frame.
    lags = lags[: len(lags) * 9 // 10]
    name = f"a log at {PER_SECOND:,} lines/s for {SECONDS} s"
    table.row(f"{name}: from print to screen", 200, "ms", *lags)
    table.row("... between two frames, 99 of 100", 100, "ms", statistics.quantiles(gaps, n=100)[98])
    table.row("... the page's memory for it, in the end", 100, "MiB", (heap(session) - before) / 2**20)
    table.row("... elements on the page for it", 1000, "", page.locator(".qwex-Log *").count())
    number, printed = log.lines.last.text_content().split("in all ")
    table.row("... lines lost", 0, "", int(printed) + 1 - int(number))


def heap(session):
    """Bytes of what the page keeps."""
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"]


def long_log(tab, table):
    """A log that is there already."""
    job = tab.lab.submit(LONG, name="long")
    tab.lab.qwex("wait", job)
    last = f"line {LINES - 1} of"
    start = time.perf_counter()
    log = LogTab(tab, job, "long")

    def taken(text, lines):
        nonlocal start
        lines.filter(has_text=text).wait_for()
        seconds, start = time.perf_counter() - start, time.perf_counter()
        return 1000 * seconds

    table.row(f"a log of {LINES:,} lines is opened at its end", 1000, "ms", taken(last, log.lines))
    log.search(f"line {LINES // 2} of")
    table.row("... a line is found in its middle", 200, "ms", taken(f"line {LINES // 2} of", log.here))
    log.scroll(end=False)
    table.row("... its begin is shown", 200, "ms", taken("line 0 of", log.lines))
    log.scroll(end=True)
    table.row("... and its end again", 200, "ms", taken(last, log.lines))


def hidden(tab, table):
    """What is asked for and drawn while nothing of it is to be seen."""
    tab.sidebar()
    tab.command("filebrowser:activate")
    tab.listen()
    asked = []
    tab.page.on("request", lambda request: asked.append(request.url) if "/qwex/" in request.url else None)
    tab.page.evaluate("""() => {
      window.drawn = 0;
      const watch = new MutationObserver(changes => { window.drawn += changes.length; });
      watch.observe(document.getElementById('qwex-sidebar'), { subtree: true, childList: true, characterData: true });
    }""")
    for name in ("unseen", "unseen-too"):
        tab.hears(tab.lab.submit("pass", name=name), "SUCCEEDED")
    table.row("a hidden sidebar while jobs come and go: requests", 0, "", len(asked))
    table.row("... drawings", 0, "", tab.page.evaluate("() => window.drawn"))


def loading(tab, table):
    """JupyterLab until it is restored, with it and without it in turn."""
    page, taken = tab.page, {True: [], False: []}
    page.add_init_script(LOADED)
    without = False

    def serve(route):
        answer = route.fetch()
        head, tag, rest = answer.text().partition('<script id="jupyter-config-data" type="application/json">')
        config, end, tail = rest.partition("</script>")
        config = json.loads(config)
        if without:
            config["federated_extensions"] = [e for e in config["federated_extensions"] if e["name"] != "qwex"]
        route.fulfill(response=answer, body=head + tag + json.dumps(config) + end + tail)

    page.route("**/lab?reset*", serve)
    for at in range(2 * (LOADS + 1)):
        without = at % 2 == 1
        tab.open()
        assert page.evaluate("() => window.jupyterapp.hasPlugin('qwex:model')") is not without
        milliseconds = page.wait_for_function("() => window.loaded").json_value()
        if at > 1:
            taken[without].append(milliseconds)
    page.unroute_all()
    with_it, without_it = (statistics.median(taken[each]) for each in (False, True))
    name = f"added to JupyterLab's {without_it:,.0f} ms to load"
    table.row(name, 50, "ms", with_it - without_it)


def weight():
    """Kilobytes of all scripts, compressed as a server compresses them."""
    return sum(len(gzip.compress(path.read_bytes())) for path in BUILT.glob("*.js")) / 1000


def proxied():
    """Milliseconds that the way through the Jupyter server adds, by the benchmark for that."""
    said = subprocess.run([sys.executable, HERE / "proxy.py"], capture_output=True, text=True, check=False).stdout
    return float(said.partition("added to a request: ")[2].partition(" ms")[0])


def main():
    """Exit code 1 when a goal is missed; names of parts as arguments measure only those."""
    wanted = set(sys.argv[1:])
    print(f"{machine.describe()}, busy before: {machine.busy():.0%}\n")
    table = Table()
    home = Path(tempfile.mkdtemp(prefix="ql", dir="/tmp"))
    lab = Lab(home)
    try:
        lab.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            for measure in (loading, changes, following, long_log, hidden, thousand):
                if wanted and measure.__name__ not in wanted:
                    continue
                page = browser.new_page(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
                tab = Tab(page, lab)
                tab.open()
                measure(tab, table)
                page.close()
            browser.close()
    finally:
        lab.stop()
        shutil.rmtree(home, ignore_errors=True)
    table.row("all scripts of it, compressed", 150, "kB", weight())
    table.row("added to a request by the Jupyter server", 2, "ms", proxied())
    print(f"\nbusy after: {machine.busy():.0%}")
    return 0 if table.met else 1


if __name__ == "__main__":
    sys.exit(main())
