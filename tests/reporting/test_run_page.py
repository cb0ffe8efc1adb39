"""report.html: complete in itself, in the playbook's order, true to the numbers, and safe with foreign text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from sched_rl.diagnose import main as diagnose_main
from sched_rl.diagnosis.curves import BaselineScores
from sched_rl.diagnosis.engine import default_thresholds, diagnose, run_settings
from sched_rl.diagnosis.signals import Signals
from sched_rl.reporting.run_page import page_html, writing
from sched_rl.reporting.run_page.frame import LEFT, PLOT_WIDTH
from sched_rl.reporting.run_page.margin import within
from sched_rl.reporting.run_page.noise import noise_bands
from sched_rl.reporting.run_page.scales import Scale
from sched_rl.reporting.run_page.thinning import thinned
from sched_rl.tracking.reading import final_status
from sched_rl.train import main as train_main
from tests.diagnosis.synthetic import UPDATES, bare, healthy, pathological

VOID = {"meta", "br", "input"}


class Page(HTMLParser):
    """The elements of a page: tag, attributes, and the text directly in them; unbalanced tags are an error."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.text, self.elements, self._open = text, [], []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self._open.append((tag, self.elements[-1][2]))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        if self._open:
            self._open[-1][1].append(data)

    def all(self, tag, **wanted):
        wanted = {name.replace("_", "-").strip("-"): value for name, value in wanted.items()}
        return [
            (attributes, "".join(texts))
            for name, attributes, texts in self.elements
            if name == tag and all(value in attributes.get(key, "").split() for key, value in wanted.items())
        ]

    @property
    def data(self):
        return json.loads(next(text for attributes, text in self.all("script") if "id" in attributes))


def page_of(curves, **more):
    return Page(page_html(curves, diagnose(curves), default_thresholds(), **more))


@pytest.fixture(scope="module")
def overshoot():
    return page_of(pathological("overshoot"))


def test_panels_stand_in_the_playbooks_reading_order(overshoot):
    titles = [text for _, text in overshoot.all("h2")]
    wanted = ["Worst block", "Mean over blocks", "Entropy: share", "No-ops", "Approximate KL", "Policy loss",
              "Value loss", "Explained variance", "Learning rate", "Training return", "Invalid"]  # fmt: skip
    places = [next(i for i, title in enumerate(titles) if title.startswith(each)) for each in wanted]
    assert places == sorted(places)


def test_the_page_needs_nothing_else(overshoot):
    assert not re.search(r"https?://|@import|url\(", overshoot.text)
    assert not [name for name, attributes, _ in overshoot.elements if {"src", "href"} & set(attributes)]
    (policy,) = [
        attributes["content"] for attributes, _ in overshoot.all("meta", http_equiv="Content-Security-Policy")
    ]
    script = overshoot.all("script")[-1][1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_a_finding_is_drawn_on_its_updates_and_explained_in_the_playbooks_words(overshoot):
    finding = diagnose(pathological("overshoot")).first
    first, last = finding.updates
    (lane, _), *_ = overshoot.all("rect", class_="lane")
    assert float(lane["x"]) == pytest.approx(LEFT + first / UPDATES * PLOT_WIDTH, abs=0.1)
    assert float(lane["width"]) == pytest.approx((last - first) / UPDATES * PLOT_WIDTH, abs=0.1)
    shades = [attributes for attributes, _ in overshoot.all("rect", class_="always")]
    assert len(shades) == len(overshoot.all("svg", class_="panel"))
    assert {float(shade["x"]) + LEFT for shade in shades} == {float(lane["x"])}
    assert next(text.strip() for _, text in overshoot.all("blockquote")) == finding.explanation
    shown = {text for _, text in overshoot.all("code")}
    assert set(finding.overrides) <= shown


def test_hover_shows_the_recorded_values(overshoot):
    curves = pathological("overshoot")
    for name in ("eval_min_block_return", "approx_kl_max", "entropy_frac"):
        updates, values = overshoot.data["series"][name]
        np.testing.assert_allclose(values, curves.column(name)[updates], rtol=1e-3)
        assert len(updates) == np.isfinite(curves.column(name)).sum()
    hovered = {attributes["data-series"] for attributes, _ in overshoot.all("output")}
    assert hovered == set(overshoot.data["series"])


def test_baselines_target_and_best_stand_beside_the_curves():
    curves = healthy()
    curves = replace(
        curves, config={**curves.config, "agent": {**curves.config["agent"], "target_kl": 0.015}}
    )
    page = page_of(curves)
    names = [text for _, text in page.all("text", class_="level-name")]
    assert [name for name in names if name.startswith("sjf")] == [
        f"sjf {curves.baselines['sjf'].worst:.3g}",
        f"sjf {curves.baselines['sjf'].mean:.3g}",
    ]
    assert "target_kl 0.015" in names


def test_the_noise_band_is_the_paired_standard_error_around_the_best():
    curves = healthy()
    signals = Signals(curves, run_settings(curves), default_thresholds())
    bands, best = noise_bands(signals), signals.best
    table = curves.evaluations
    e = best - 1
    paired = table.returns[e] - table.returns[best]
    blocks = [paired[table.blocks == block] for block in np.unique(table.blocks)]
    error = np.sqrt(sum(each.var(ddof=1) / each.size for each in blocks)) / len(blocks)
    reach = signals.limits.standard_errors * error
    assert bands["eval_mean_return"].low[e] == pytest.approx(signals.mean[best] - reach)
    block = int(signals.blocks[e].argmin())
    error = blocks[block].std(ddof=1) / np.sqrt(blocks[block].size)
    low = signals.worst[best] - signals.limits.standard_errors * error
    assert bands["eval_min_block_return"].low[e] == pytest.approx(low)
    assert bands["eval_mean_return"].low[best] == pytest.approx(signals.mean[best])


HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\x00\udc80"


def test_text_of_files_and_configs_stays_text():
    curves = healthy()
    agent = {**curves.config["agent"], "name": HOSTILE}
    hostile = replace(
        curves,
        name=HOSTILE,
        config={**curves.config, "agent": agent},
        baselines={HOSTILE: BaselineScores(0.5, 0.4)},
        columns={**curves.columns, HOSTILE: curves.columns["entropy"]},
    )
    found = diagnose(pathological("overshoot"))
    first = replace(
        found.first, id=HOSTILE, summary=HOSTILE, evidence={HOSTILE: HOSTILE}, overrides=(HOSTILE,)
    )
    events = [{"kind": "guard_stop", "update": 3, "reason": HOSTILE}, {"kind": HOSTILE, "update": 4}]
    page = Page(
        page_html(hostile, replace(found, findings=(first,), notes=(HOSTILE,)), default_thresholds(),
                  events=events, commands=[HOSTILE])
    )  # fmt: skip
    assert not page.all("img")
    assert len(page.all("script")) == 2
    assert not [name for _, attributes, _ in page.elements for name in attributes if name.startswith("on")]
    shown = HOSTILE.replace("\x00", "")
    assert shown in [text for _, text in page.all("h1")]
    assert shown in [text for _, text in page.all("code")]


def test_three_thousand_updates_stay_below_a_megabyte_and_keep_their_extremes():
    rng = np.random.default_rng(0)
    n = 3001
    columns = {name: np.exp(rng.normal(size=n)) for name in healthy().columns}
    columns |= {f"eval_block{b}_return": rng.normal(size=n) for b in range(8)}
    columns["lr"] = columns["kl_to_best"] = columns["clipfrac"] = columns["v_clipfrac"] = rng.random(n)
    columns["approx_kl_max"][1234] = 99.0
    columns["update"] = np.arange(n, dtype=float)
    curves = replace(bare(healthy()), columns=columns)
    text = page_html(curves, diagnose(healthy()), default_thresholds())
    assert len(text) < 1_000_000
    updates, values = Page(text).data["series"]["approx_kl_max"]
    assert (max(values), updates[int(np.argmax(values))]) == (99.0, 1234)


def test_thinning_keeps_both_ends_and_the_extremes_of_every_strip():
    values = np.random.default_rng(1).normal(size=10_000)
    values[::7] = np.nan
    kept = thinned(values, strips=50)
    assert len(kept) <= 102
    known = np.flatnonzero(np.isfinite(values))
    assert (kept[0], kept[-1]) == (known[0], known[-1])
    for strip in np.array_split(known, 50):
        assert values[strip].max() in values[kept]
        assert values[strip].min() in values[kept]
    few = np.array([np.nan, 3.0, 1.0, np.inf])
    assert thinned(few).tolist() == [1, 2]


def test_a_bare_table_is_drawn_and_what_it_lacks_is_said(tmp_path, capsys):
    path = tmp_path / "theirs.csv"
    path.write_text("timesteps,eval_mean_return,remark\n" + "".join(f"{100 * i},{i},\n" for i in range(6)))
    assert diagnose_main([f"csv={path}", f"report={tmp_path / 'page.html'}"]) == 0
    assert f"wrote {tmp_path / 'page.html'}" in capsys.readouterr().out
    page = Page((tmp_path / "page.html").read_text())
    nothing = [text for _, text in page.all("text", class_="nothing")]
    assert "no eval_min_block_return recorded" in nothing
    assert page.data["series"]["eval_mean_return"] == [[0, 100, 200, 300, 400, 500], [0, 1, 2, 3, 4, 5]]
    assert page.data["stepName"] == "timesteps"


def test_the_page_of_one_row_without_any_value_can_be_drawn():
    curves = replace(bare(healthy()), columns={"update": np.zeros(1), "eval_mean_return": np.array([np.nan])})
    assert page_of(curves).all("text", class_="nothing")


TINY = ["debug=smoke", "eval.every_updates=1", "tracking=none", "progress=off", "baselines=[sjf]"]


def test_every_training_leaves_its_page_and_says_where(tmp_path, capsys):
    folder = tmp_path / "run"
    assert train_main([*TINY, f"run.folder={folder}"]) == 0
    assert f"read it:    {folder / 'report.html'}" in capsys.readouterr().out
    page = Page((folder / "report.html").read_text())
    assert page.all("h1")[0][1] == "run"
    assert page.data["last"] == 4
    again = tmp_path / "again.html"
    assert diagnose_main([f"run={folder}", f"report={again}", "checks=false"]) == 0
    drawn = [attributes["d"] for attributes, _ in Page(again.read_text()).all("path", class_="curve")]
    assert drawn == [attributes["d"] for attributes, _ in page.all("path", class_="curve")]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), ZeroDivisionError("a mistake of ours")]
)
def test_a_page_that_cannot_be_written_costs_the_run_nothing(tmp_path, capsys, caplog, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(writing, "write_atomically", fail)
    folder = tmp_path / "run"
    assert train_main([*TINY, f"run.folder={folder}"]) == 0
    assert not (folder / "report.html").exists()
    assert final_status(folder) == "FINISHED"
    assert "no report.html: " in caplog.text
    assert f"run={folder} report=FILE.html" in caplog.text
    printed = capsys.readouterr().out
    assert f"run folder: {folder}" in printed
    assert "read it" not in printed


@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.001, 0.9), (1e-9, 1e4), (0.31, 0.32), (3.0, 4000.0)])
def test_ticks_are_few_round_and_on_the_axis(low, high, is_log):
    scale = Scale(low, high, 100.0, 0.0, is_log)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 8 or (is_log and high / low < 10)
    assert ticks == sorted(ticks)
    assert all(-1e-6 <= scale.place(tick) <= 100 + 1e-6 for tick in ticks)


@pytest.mark.parametrize("places", [[-5.0, 3.0, 90.0], [95.0, 99.0, 120.0], [50.0]])
def test_names_in_the_margin_stay_in_the_panel_and_apart(places):
    moved = within(places, 12.0, 100.0)
    assert all(0 <= place <= 100 for place in moved)
    assert all(b - a >= 12 - 1e-9 for a, b in pairwise(moved))
