"""Cells in the plain IPython shell."""

from __future__ import annotations

import sys  # noqa: F401

import pytest

from .conftest import inline


def test_prints_result_and_exit_in_the_order_of_the_program(job):
    job.run(
        "cell",
        "print('one')\nfrom IPython.display import HTML, display\ndisplay(HTML('<b>two</b>'))\nprint('three')\n4",
    )
    assert job.rc == 0
    assert [r["type"] for r in job.records] == ["start", "stream", "display", "stream", "result", "exit"]
    assert [r["seq"] for r in job.records] == [1, 2, 3, 4, 5, 6]
    assert job.of("display")[0]["data"]["text/html"] == "<b>two</b>"
    assert job.of("result")[0]["data"] == {"text/plain": "4"}
    assert job.exit["reason"] == ""
    assert job.exit["peak_memory"] > 1_000_000
    assert job.exit["cpu_time"] > 0


def test_type_is_the_first_key_of_every_line(job):
    job.run("cell", "print('x')\n1")
    lines = (job.path / "events.jsonl").read_bytes().splitlines()
    assert all(line.startswith(b'{"type":"') for line in lines)


def test_display_ids_update_and_clear_output(job):
    job.run(
        "cell",
        """
        from IPython.display import clear_output, display
        handle = display("a", display_id="x")
        handle.update("b")
        clear_output(wait=True)
        """,
    )
    shown, updated, cleared = job.of("display", "update_display", "clear_output")
    assert shown["transient"] == updated["transient"] == {"display_id": "x"}
    assert updated["type"] == "update_display"
    assert cleared["wait"] is True


def test_matplotlib_figures_are_shown_after_the_cell(job):
    pytest.importorskip("matplotlib_inline")
    job.run(
        "cell", "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('drawn')", env={"MPLCONFIGDIR": str(job.path)}
    )
    shown = job.of("display")[0]
    assert shown["data"]["image/png"].startswith("iVBOR")
    assert job.text() == "drawn\n"


def test_shell_lines_stream_and_magics_work(job):
    job.run("cell", "!echo from the shell\n%env QWEX_RUN_ID\nget_ipython().run_line_magic('pwd', '')")
    assert "from the shell\n" in job.text()
    assert job.of("result")[-1]["data"]["text/plain"] == repr(str(job.work))


def test_top_level_await(job):
    job.run("cell", "import asyncio\nawait asyncio.sleep(0, 'slept')")
    assert job.of("result")[0]["data"]["text/plain"] == "'slept'"


def test_traceback_has_the_notebooks_numbers(job):
    job.run("cell", "def f():\n    return 1 / 0\n\nf()\n", line_offset=1, execution_count=7)
    assert job.rc == 1
    assert job.exit["reason"] == "Exception"
    assert job.exit["message"] == "ZeroDivisionError: division by zero"
    assert (job.error["ename"], job.error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert [(f["filename"], f["lineno"], f["name"]) for f in job.error["frames"]] == [
        ("Cell In[7]", 5, "<module>"),
        ("Cell In[7]", 3, "f"),
    ]
    assert job.error["frames"][1]["line"] == "return 1 / 0"
    rendered = "\n".join(job.error["traceback"])
    assert "\x1b[" in rendered
    assert "In[7]" in rendered
    assert "line 5" in rendered
    assert "line 3" in rendered
    assert "qwex" not in rendered.replace("%%qwex", "")


def test_syntax_error(job):
    job.run("cell", "x = 1\nif x:\nprint(x)", line_offset=1)
    assert job.rc == 1
    assert job.error["ename"] == "IndentationError"
    assert "line 4" in "\n".join(job.error["traceback"])


def test_chained_exceptions_are_all_shown(job):
    job.run("cell", "try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('outer') from e")
    rendered = "\n".join(job.error["traceback"])
    assert "KeyError" in rendered
    assert "ValueError" in rendered


def test_exception_whose_text_cannot_be_made(job):
    job.run("cell", "class Bad(Exception):\n    def __str__(self): raise RuntimeError\nraise Bad")
    assert job.rc == 1
    assert job.exit["reason"] == "Exception"


def test_usage_error_of_a_magic_is_an_error(job):
    job.run("cell", "%nosuchmagic")
    assert job.rc == 1
    assert job.error["ename"] == "UsageError"


@pytest.mark.parametrize(("call", "code"), [("sys.exit()", 0), ("sys.exit(7)", 7), ("raise SystemExit('bye')", 1)])
def test_exit_codes(job, call, code):
    job.run("cell", f"import sys\nprint('before')\n{call}")
    assert job.rc == code
    assert job.exit["reason"] == ("ExitCode" if code else "")
    assert not job.of("error")
    assert "UserWarning" not in job.text("stderr")


def test_inputs_are_names_and_outputs_come_back(job):
    job.run("cell", "y = x + [3]\nz = 'text'", inputs={"x": inline([1, 2])}, outputs=["y", "z"])
    assert job.value("y") == [1, 2, 3]
    first, second = job.of("value")
    assert (first["name"], first["type_name"], second["name"]) == ("y", "list", "z")
    assert first["digest"].startswith("sha256:")
    assert first["size"] == (job.path / "values" / "y").stat().st_size


def test_functions_of_the_cell_are_saved_by_value(job):
    job.run("cell", "def f(n):\n    return n + 1", outputs=["f"])
    assert job.value("f")(1) == 2


@pytest.mark.parametrize(
    ("text", "names", "told"),
    [
        ("a = 1", ["a", "b"], "set no value 'b'; it set: a"),
        ("import threading\na = 1\nb = threading.Lock()", ["a", "b"], "'b' cannot be saved"),
    ],
)
def test_outputs_are_saved_all_or_none(job, text, names, told):
    job.run("cell", text, outputs=names)
    assert job.rc == 1
    assert told in job.error["evalue"]
    assert not job.of("value")
    assert not list((job.path / "values").iterdir())


def test_input_that_cannot_be_loaded_is_named(job):
    job.run("cell", "1", inputs={"df": {"format": "cloudpickle", "data": "AAAA"}})
    assert job.rc == 1
    assert "input 'df' cannot be loaded" in job.error["evalue"]


def test_there_is_no_kernel(job):
    job.run("cell", "import sys\nprint(hasattr(get_ipython(), 'kernel'), 'ipykernel' in sys.modules)")
    assert job.text() == "False False\n"


def test_last_expression_with_semicolon_is_silent(job):
    job.run("cell", "1;")
    assert not job.of("result")


def test_a_cell_magic_stays_first(job):
    job.run("cell", "%%bash\necho from bash", line_offset=1)
    assert job.text() == "from bash\n"


def test_rich_output_from_a_thread_and_a_fork(job):
    job.run(
        "cell",
        """
        import os, threading
        from IPython.display import display
        thread = threading.Thread(target=display, args=("threaded",)); thread.start(); thread.join()
        if not os.fork():
            display("lost"); print("child"); os._exit(0)
        os.wait()
        print("parent")
        """,
    )
    assert job.rc == 0
    assert [r["data"]["text/plain"] for r in job.of("display")] == ["'threaded'"]
    assert job.text() == "child\nparent\n"


def test_records_over_the_cap_say_what_is_left_out(job):
    bundle = "{'text/html': 'x' * 20_000_000, 'text/plain': 'small'}"
    job.run("cell", f"from IPython.display import display\ndisplay({bundle}, raw=True)")
    data = job.of("display")[0]["data"]
    assert "text/html" not in data
    assert data["text/plain"].startswith("small\n[text/html of 20,000,002 bytes left out")


@pytest.mark.skipif("sys.version_info < (3, 11)", reason="exception groups came with Python 3.11")
def test_exception_group(job):
    job.run("cell", "raise ExceptionGroup('both', [ValueError(1), KeyError(2)])")
    assert job.error["ename"] == "ExceptionGroup"
    assert "KeyError" in "\n".join(job.error["traceback"])
    assert job.text("stderr") == ""


@pytest.fixture
def figures(job):
    """Run a cell that draws."""
    pytest.importorskip("matplotlib")

    def run(text):
        job.run("cell", text, env={"MPLCONFIGDIR": str(job.path)})
        return job

    return run


PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])"


@pytest.mark.parametrize(
    "line", ["%matplotlib inline", "%pylab inline", "%matplotlib", "%matplotlib\n%matplotlib inline"]
)
def test_figures_are_shown_where_a_notebook_shows_them(figures, line):
    job = figures(f"{line}\n{PLOT}")
    assert job.rc == 0, job.error
    assert [("image/png" in r["data"]) for r in job.of("display")] == [True]


def test_a_backend_without_figures_can_be_chosen_first(figures):
    job = figures(f"import matplotlib\nmatplotlib.use('agg')\n{PLOT}\nplt.savefig('plot.png')")
    assert job.rc == 0
    assert not job.of("display")
    assert (job.work / "plot.png").exists()


def test_inline_after_another_backend(figures):
    job = figures(f"import matplotlib\nmatplotlib.use('agg')\n%matplotlib inline\n{PLOT}")
    assert job.rc == 0
    assert len(job.of("display")) == 1


@pytest.mark.parametrize("line", ["%matplotlib qt", "%matplotlib tk"])
def test_a_window_is_refused_by_name(figures, line):
    job = figures(line)
    assert job.rc == 1
    assert job.error["ename"] == "UsageError"
    assert "a job has no screen for" in job.error["evalue"]


def test_a_loop_for_windows_is_refused_by_name(job):
    job.run("cell", "%gui tk")
    assert "a job has no screen for 'tk'" in job.text("stderr")


@pytest.mark.parametrize(("call", "code"), [("exit()", 0), ("quit()", 0), ("exit(3)", 3)])
def test_exit_ends_the_cell_as_it_ends_a_script(job, call, code):
    job.run("cell", f"print('before')\n{call}\nprint('after')")
    assert job.rc == code
    assert job.text() == "before\n"
    assert not job.of("error")
