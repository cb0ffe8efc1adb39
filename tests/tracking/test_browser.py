"""MLflow's own pages over real runs, in a real browser: what a user sees without a click, in the words of the page.

Skipped where there is no browser; install_browser.sh brings one. SCREENSHOTS=FOLDER keeps what was seen.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from sched_rl.tracking.listing import fetch_runs
from sched_rl.tracking.mlflow_store import open_client
from sched_rl.tracking.mlflow_sweep import MlflowSweep
from sched_rl.train import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TRAINING = ["debug=smoke", "progress=off", "agent.total_steps=8192", "baselines=[linear_score,sjf,fifo]"]
PATIENCE_MS = 240_000


@pytest.fixture(scope="module")
def playwright():
    api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed; see tests/tracking/install_browser.sh"
    )
    with api.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def page(playwright):
    """A visitor's first tab, on a desktop's window."""
    names = ("chromium", "chromium-browser", "google-chrome")
    own = next(filter(None, map(shutil.which, names)), None)
    found = own or playwright.chromium.executable_path
    if not Path(found).is_file():
        pytest.skip("there is no Chromium; see tests/tracking/install_browser.sh")
    browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=PATIENCE_MS)
    tab = browser.new_page(viewport={"width": 1500, "height": 950})
    tab.set_default_timeout(PATIENCE_MS)
    yield tab
    browser.close()


@pytest.fixture(scope="module")
def patch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def home(tmp_path_factory, patch_module):
    """Two seeds of PPO, SJF beside them, and a sweep of one trial with a figure, in the default store of a folder."""
    folder, before = tmp_path_factory.mktemp("home"), Path.cwd()
    os.chdir(folder)
    try:
        for seed in (1, 2):
            words = [*TRAINING, f"seed={seed}", f"run.folder=runs/ppo-{seed}", "eval.final_report=true"]
            # the command is recorded as the shell saw it
            patch_module.setattr(sys, "orig_argv", ["python", "-m", "sched_rl.train", *words])
            assert main(words) == 0
        assert main(["debug=smoke", "progress=off", "agent=sjf", "run.folder=runs/sjf"]) == 0
        _hang_below_a_sweep(folder)
    finally:
        os.chdir(before)
    return folder


def _hang_below_a_sweep(folder: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3))
    figure.subplots().plot([1, 2, 3])
    figure.savefig(folder / "importance.png")
    sweep = MlflowSweep(None, "sched_rl")
    sweep.begin("clips", None, {"kind": "sweep"})
    trial = folder / "runs" / "ppo-2"
    assert sweep.adopt(trial, {"trial": "0"})
    sweep.follow_best(0, {"min_block_return": 1.0}, {"agent.clip_coef": 0.2})
    sweep.end("FINISHED", {"agent.clip_coef": 0.2}, [folder / "importance.png"])


@pytest.fixture(scope="module")
def addresses(home):
    """`python -m sched_rl.tracking ui`, running: what it printed, by name."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (home / "ui.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "sched_rl.tracking", "ui", f"port={port}"],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not _answers(f"http://127.0.0.1:{port}/health"):
        assert server.poll() is None, (home / "ui.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert _listening_addresses(port) == {"127.0.0.1"}
    lines = [line for line in (home / "ui.log").read_text().splitlines() if "http" in line and "#" in line]
    yield {line.partition(":")[0]: line.partition(": ")[2].strip() for line in lines}
    server.terminate()
    server.wait(timeout=60)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


def _listening_addresses(port: int) -> set[str]:
    """Where this machine's kernel says somebody listens on a port."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            host, _, number = address.partition(":")
            if state == "0A" and int(number, 16) == port:
                found.add(socket.inet_ntoa(bytes.fromhex(host)[::-1]) if name == "tcp" else host)
    return found


@pytest.fixture(scope="module")
def runs(home, tmp_path_factory):
    """Run ids by folder name."""
    uri = f"sqlite:///{home}/mlflow.db"
    client = open_client(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'sched_rl'")
    found = {Path(run.data.tags.get("run_folder", "sweep")).name: run.info.run_id
             for run in client.search_runs([experiment.experiment_id])}  # fmt: skip
    assert len(fetch_runs(experiment="sched_rl", uri=uri, scratch=tmp_path_factory.mktemp("scratch"))) == 3
    return found


def visit(page, address: str, name: str, *texts: str) -> None:
    """Open a page and wait until it says all of some texts; MLflow's assistant, open on a first visit, is closed."""
    page.goto(address)
    for text in texts:
        page.get_by_text(text).first.wait_for()
    close = page.locator("[data-assistant-ui=true] button[aria-label=Close]")
    if close.count():
        close.first.dispatch_event("click")  # charts that are being drawn keep a real one waiting
    if "SCREENSHOTS" in os.environ:
        page.wait_for_timeout(3000)
        page.screenshot(path=f"{os.environ['SCREENSHOTS']}/mlflow_{name}.png")


def test_the_runs_page_opens_on_the_runs_with_columns_that_judge(page, addresses):
    visit(
        page,
        addresses["sched_rl, runs"],
        "runs",
        "PPO and heuristics",
        "matching runs",
        "sjf playbook seed=1",
    )
    assert "workflowType=machine_learning" in page.url
    for text in ("ppo playbook seed=1", "sweep clips", "eval_min_block_return", "Duration"):
        assert page.get_by_text(text).count() >= 1, text
    assert page.get_by_text("Error loading").count() == 0


def test_the_charts_draw_training_and_baselines_together(page, addresses):
    texts = ("judgement on val", "health of the training", "sjf playbook seed=1")
    visit(page, addresses["sched_rl, charts"], "charts", *texts)
    drawn = page.locator(".js-plotly-plot")
    drawn.nth(1).wait_for()
    assert drawn.count() < 20  # a hundred of them hold a browser up for minutes
    text = page.locator("body").inner_text()
    for metric in ("eval_min_block_return", "baseline.linear_score.eval_min_block_return"):
        assert f"ppo playbook seed=1 ({metric})" in text


def test_a_runs_page_says_what_it_is_and_how_to_make_it_again(page, addresses, runs):
    root = addresses["sched_rl, runs"].partition("/runs?")[0]
    visit(
        page, f"{root}/runs/{runs['ppo-1']}?workflowType=machine_learning", "run", "Description", "Metrics ("
    )
    text = page.locator("body").inner_text()
    for part in (
        "ppo on playbook, seed 1",
        "python -m sched_rl.train debug=smoke",
        "baseline.sjf.eval_min_block_return",
    ):
        assert part in text, part


def test_the_report_is_readable_among_the_artifacts(page, addresses, runs):
    root = addresses["sched_rl, runs"].partition("/runs?")[0]
    visit(
        page,
        f"{root}/runs/{runs['ppo-1']}/artifacts/report.html?workflowType=machine_learning",
        "report",
        "report.html",
    )
    frame = page.frame_locator("iframe").first
    frame.get_by_text("worst block").first.wait_for()
    assert frame.locator("svg").count() > 3
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=f"{os.environ['SCREENSHOTS']}/mlflow_report.png")


def test_a_sweeps_figures_are_among_its_artifacts(page, addresses, runs):
    root = addresses["sched_rl, runs"].partition("/runs?")[0]
    address = f"{root}/runs/{runs['sweep']}/artifacts/plots/importance.png?workflowType=machine_learning"
    visit(page, address, "figure", "importance.png")
    page.wait_for_function(
        "[...document.images].some((one) => one.src.startsWith('blob:') && one.naturalWidth > 100)"
    )


def test_the_compare_page_puts_ppo_beside_the_heuristic(page, addresses, runs):
    server = addresses["sched_rl, runs"].partition("/#/")[0]
    chosen = quote(json.dumps([runs["ppo-1"], runs["ppo-2"], runs["sjf"]]))
    experiment = quote(json.dumps(["1"]))
    address = f"{server}/#/compare-runs?runs={chosen}&experiments={experiment}&workflowType=machine_learning"
    visit(page, address, "compare", "Comparing 3 Runs from 1 Experiment", "sjf playbook seed=1")
    text = page.locator("body").inner_text()
    for part in ("ppo playbook seed=2", "baseline.linear_score.eval_mean_return", "Show diff only"):
        assert part in text, part
