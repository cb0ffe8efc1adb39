from __future__ import annotations

import json

import pytest

from analysis.batch_bars.__main__ import main
from analysis.batch_bars.populations import UNSEEN_SEED

from .test_batch_table import small_trace

ASKED = ["starts=0,10", "count=30", "unseen=3", "tuning=2"]


@pytest.fixture
def folder(tmp_path):
    small_trace(tmp_path / "t.swf")
    return tmp_path


def run(folder, *more):
    return main([f"trace={folder}/t.swf", f"output={folder}/bars.md", *ASKED, *more])


def policy(file, block, places, slowdown):
    """An evaluation JSON as `sched_rl.evaluate` writes it, reduced to what is read."""
    key = "start" if block == "starts" else "seed"
    numbers = {"mean_wait_s": 1.0, "max_wait_s": 2.0, "utilization": 0.5}
    episodes = [{key: place, "mean_bounded_slowdown": slowdown, **numbers} for place in places]
    file.write_text(json.dumps({"blocks": [{"name": block}], "episodes": episodes}))
    return file


def test_bars_are_measured_once_and_the_best_is_the_bar(folder, capsys):
    assert run(folder) == 0
    printed = capsys.readouterr().out
    measured = json.loads((folder / "bars.json").read_text())
    slowdowns = measured["slowdowns"]
    rules = [
        f"{name} {mode}"
        for name in ("fcfs", "sjf", "saf", "f1", "wfp3", "unicep")
        for mode in ("easy", "conservative")
    ]
    assert set(rules) <= {key.split("|")[2] for key in slowdowns if key.startswith("published|easy")}
    assert slowdowns["published|decision|saf strict"] != slowdowns["published|game|saf"]
    assert all(value >= 1 for row in slowdowns.values() for value in row)
    page = (folder / "bars.md").read_text()
    assert page in printed
    shown = [line.split("|") for line in page.splitlines() if line.startswith("| published")]
    for cells in shown:
        best = float(cells[5].strip(" *"))
        assert best == min(float(cell.split(":")[1].split("[")[0]) for cell in cells[2:5])
    # What is there is not measured again: a value that was put there by hand stays.
    slowdowns["published|game|fcfs"] = [0.25, 0.25]
    (folder / "bars.json").write_text(json.dumps(measured))
    assert run(folder) == 0
    assert "fcfs: 0.25" in capsys.readouterr().out


def test_policies_are_paired_with_the_bar(folder, capsys):
    files = [policy(folder / f"{i}.json", "starts", (10, 0), 1.0 + i) for i in range(2)]
    files.append(policy(folder / "u.json", "block0", range(UNSEEN_SEED, UNSEEN_SEED + 3), 1.5))
    assert run(folder, f"easy={','.join(map(str, files))}") == 0
    page = capsys.readouterr().out
    assert "| published | 1.00, 2.00 | **1.50** |" in page
    assert "| unseen | 1.50 | **1.50** |" in page
    assert "| 1 | 2 | 50.0% |" in page


def test_mistakes_are_told_in_one_line(folder, capsys):
    file = policy(folder / "short.json", "starts", (0,), 1.0)
    assert run(folder) == 0
    for more, message in (
        (["easy=" + str(file)], "has no episode of start 10"),
        (["easy=absent.json"], "cannot be read as an evaluation's JSON"),
        (["count=20"], "holds bars of other sequences"),
        (["output=x.txt"], "must be a .md file"),
        (["speed=1"], "unknown key speed"),
    ):
        asked = [word for word in ASKED if word.split("=")[0] not in {key.split("=")[0] for key in more}]
        output = [] if "output" in more[0] else [f"output={folder}/bars.md"]
        assert main([f"trace={folder}/t.swf", *output, *asked, *more]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
