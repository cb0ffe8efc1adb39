from __future__ import annotations

import json
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from sched_rl.errors import RunFolderError
from sched_rl.reporting import style
from sched_rl.reporting.curves import main, plot_curves, plot_run
from sched_rl.reporting.reference_lines import spread_labels
from sched_rl.reporting.run_curves import read_run

UPDATES = 30
TITLES = [
    "Worst block: return",
    "Mean over blocks: return",
    "Entropy over legal actions",
    "No-op share (avoidable: a job fits)",
    "Approximate KL of an update",
    "Share of samples a clamp bound",
    "Losses",
    "Explained variance of the critic",
]
BASELINES = {"sjf": (0.529, 0.511), "linear_score": (0.818, 0.812), "fifo": (0.369, 0.340)}


def rows(updates=UPDATES):
    """An evaluation every fifth update; the best at update 20."""
    for update in range(1, updates + 1):
        row = {
            "update": update,
            "timesteps": 1000 * update,
            "entropy": 2 - update / updates,
            "entropy_frac": 0.9 - 0.5 * update / updates,
            "noop_frac": 0.5,
            "noop_feasible_frac": 0.1,
            "invalid_frac": 0.0,
            "approx_kl_mean": 0.01,
            "approx_kl_max": 0.02 + 0.01 * (update % 3),
            "early_stop": int(update % 10 == 0),
            "clipfrac": 0.1,
            "v_loss": 0.05,
            "pg_loss": -0.01,
            "explained_variance": update / updates,
        }
        if update % 5 == 0:
            height = 0.8 - abs(update - 20) / 100
            blocks = [height, height + 0.02, height + 0.04]
            row |= {
                "eval_mean_return": np.mean(blocks),
                "eval_min_block_return": min(blocks),
                **{f"eval_block{number}_return": value for number, value in enumerate(blocks)},
                "eval_noop_frac": 0.5,
                "eval_noop_feasible_frac": 0.0,
            }
        yield row


def write_run(folder, listed, *, baselines=True, config=True):
    folder.mkdir()
    header = list(dict.fromkeys(name for row in listed for name in row))
    lines = [",".join(str(row.get(name, "")) for name in header) for row in listed]
    (folder / "metrics.csv").write_text("\n".join([",".join(header), *lines]) + "\n")
    if baselines:
        scores = {
            name: {"eval_mean_return": mean, "eval_min_block_return": worst}
            for name, (mean, worst) in BASELINES.items()
        }
        (folder / "baselines.json").write_text(json.dumps(scores))
    if config:
        (folder / "config.yaml").write_text(
            "seed: 3\nagent: {name: ppo, target_kl: 0.02}\nenv: {name: heavy}\n"
        )
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "a_run", list(rows()))


@pytest.fixture(scope="module")
def panels(run_folder):
    figure = plot_run(run_folder)
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}


def curve(axes, label):
    return next(line for line in axes.get_lines() if line.get_label().startswith(label))


def levels(axes):
    """The heights of the horizontal lines across the panel."""
    return [line.get_ydata()[0] for line in axes.get_lines() if list(line.get_xdata()) == [0, 1]]


def test_panels_stand_in_the_playbooks_reading_order(panels):
    assert list(panels) == TITLES


def test_evaluations_are_drawn_where_they_happened_and_the_best_is_marked(panels):
    worst = curve(panels[TITLES[0]], "worst block")
    np.testing.assert_array_equal(worst.get_xdata(), [5000, 10000, 15000, 20000, 25000, 30000])
    best = curve(panels[TITLES[0]], "best 0.800")
    assert list(best.get_xdata()) == [20000]
    assert all(
        any(list(line.get_xdata()) == [20000, 20000] for line in axes.get_lines()) for axes in panels.values()
    )


def test_what_a_guard_did_is_marked_in_every_panel(tmp_path):
    folder = write_run(tmp_path / "guarded", list(rows()))
    events = [{"kind": "guard_rollback", "update": 12}, {"kind": "resume", "update": 5}]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    panels = [axes for axes in plot_run(folder).axes if axes.get_title(loc="left")]
    for axes in panels:
        assert any(list(line.get_xdata()) == [12000, 12000] for line in axes.get_lines())
        assert not any(list(line.get_xdata()) == [5000, 5000] for line in axes.get_lines())
    assert curve(panels[0], "guard: back to the best") is not None


def test_baselines_are_lines_at_their_scores_with_their_names(panels):
    for title, column in ((TITLES[0], 1), (TITLES[1], 0)):
        expected = [scores[column] for scores in BASELINES.values()]
        assert sorted(levels(panels[title])) == pytest.approx(sorted(expected))
        low, high = panels[title].get_ylim()
        assert low < min(expected)
        assert high > max(expected)
        names = {text.get_text(): to_hex(text.get_color()) for text in panels[title].texts}
        assert set(names) == set(BASELINES)
        assert names["linear_score"] == style.BLACK


def test_kl_panel_shows_the_target_and_the_early_stops(panels):
    axes = panels[TITLES[4]]
    assert axes.get_yscale() == "log"
    assert levels(axes) == [0.02]
    np.testing.assert_array_equal(curve(axes, "early stop (3 of 30)").get_xdata(), [10000, 20000, 30000])


def test_all_blocks_and_both_kinds_of_no_op_are_told_apart(panels):
    labels = [text.get_text() for text in panels[TITLES[1]].get_legend().get_texts()]
    assert labels == ["block0", "block1", "block2", "mean"]
    labels = [text.get_text() for text in panels[TITLES[3]].get_legend().get_texts()]
    assert labels == ["training", "evaluation", "avoidable", "avoidable, eval."]


def test_invalid_actions_are_only_shown_when_there_are_some(tmp_path):
    listed = list(rows())
    listed[7]["invalid_frac"] = 0.01
    axes = plot_run(write_run(tmp_path / "bug", listed)).axes[3]
    assert "INVALID" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_colours_are_okabe_itos(panels):
    palette = {style.BLACK, style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.SKY, style.PURPLE}
    drawn = {to_hex(line.get_color()).upper() for axes in panels.values() for line in axes.get_lines()}
    assert drawn <= palette | {style.GREY}


def test_a_bare_metrics_file_with_few_columns_says_what_is_missing(tmp_path):
    path = tmp_path / "elsewhere.csv"
    path.write_text("update,eval_mean_return\n1,0.5\n2,0.6\n")
    run = read_run(path)
    assert (run.baselines, run.target_kl, run.best_row) == ({}, None, None)
    figure = plot_curves(run)
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "no entropy recorded" in said
    assert "no eval_min_block_return recorded" in said
    assert "no eval_mean_return recorded" not in said
    figure.canvas.draw()


def test_many_blocks_share_one_entry_of_the_legend(tmp_path):
    listed = [
        {
            "update": 1,
            "timesteps": 10,
            **{f"eval_block{b}_return": b / 10 for b in range(12)},
            "eval_mean_return": 0.5,
        }
    ]
    axes = plot_run(write_run(tmp_path / "wide", listed, baselines=False)).axes[1]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["blocks", "mean"]


def test_the_best_evaluation_is_the_one_that_training_keeps(tmp_path):
    scores = [(0.5, 0.6), (0.7, 0.71), (0.7, 0.8), (0.7, 0.8), (0.1, 0.9)]
    listed = [
        {"update": update, "eval_min_block_return": worst, "eval_mean_return": mean}
        for update, (worst, mean) in enumerate(scores)
    ]
    assert read_run(write_run(tmp_path / "ties", listed)).best_row == 2


def test_drawing_leaves_matplotlib_as_it_was(run_folder):
    before = dict(mpl.rcParams)
    plot_run(run_folder)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    "heights", [[0.5], [0.1, 0.5, 0.9], [0.5, 0.5, 0.5], [0.1, 0.11, 0.12, 0.5, 0.52, 0.9]]
)
def test_labels_keep_their_distance_and_their_place(heights):
    placed = np.array(spread_labels(heights, gap=0.08))
    assert (np.diff(placed) >= 0.08 - 1e-12).all()
    assert placed.mean() == pytest.approx(np.mean(heights))
    if (np.diff(heights) >= 0.08).all():
        assert list(placed) == pytest.approx(heights)


def test_command_line_writes_a_sharp_picture(run_folder, tmp_path, capsys):
    output = tmp_path / "made" / "curves.png"
    assert main([str(run_folder), f"output={output}"]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    height, width, _ = imread(output).shape
    assert width == 10 * style.DPI
    assert height == 11 * style.DPI
    assert main([str(run_folder)]) == 0
    assert (run_folder / "curves.png").exists()


def test_equal_runs_give_equal_svgs(run_folder, tmp_path):
    for name in ("a.svg", "b.svg"):
        assert main([str(run_folder), f"output={tmp_path / name}"]) == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "got nothing; usage: python -m sched_rl.reporting.curves RUN_FOLDER"),
        (["a", "b"], "got a b; usage"),
        (["a", "outptu=b.png"], "got a outptu=b.png; usage"),
        (["a", "output=b.gif"], "output=b.gif: must end in .png, .svg, .pdf"),
        (["nowhere"], "nowhere"),
    ],
)
def test_command_line_errors_are_one_line(arguments, message, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_runs_that_cannot_be_drawn_are_refused(tmp_path):
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / "metrics.csv").write_text("update,timesteps\n")
    with pytest.raises(RunFolderError, match="has no rows yet"):
        plot_run(tmp_path / "young")
    folder = write_run(tmp_path / "odd", list(rows()))
    (folder / "baselines.json").write_text('{"sjf": [1, 2]}')
    with pytest.raises(RunFolderError, match="sjf is not an evaluation with eval_mean_return"):
        plot_run(folder)


def test_importing_the_module_does_not_load_matplotlib():
    code = "import sys, sched_rl.reporting.curves; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
