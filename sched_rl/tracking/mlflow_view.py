"""What MLflow's runs page shows of an experiment: a saved view with the columns and charts that judge a scheduler.

MLflow keeps a view that somebody saved under Views as a tag of the experiment: a name and the page's state as JSON.
A fresh experiment gets one, so that PPO and the heuristics stand side by side before anybody has clicked. An address
that names the view opens with it, and in the view for training runs rather than in that for language models, which is
what MLflow shows a new visitor whatever the experiment's kind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

#: Of the saved view; also how the tag that holds it ends.
VIEW_ID = "sched_rl"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_ID}"
VIEW_NAME = "PPO and heuristics"
#: Says that runs here are trainings, not language models.
KIND_TAG = "mlflow.experimentKind"
KIND = "custom_model_development"

_BASELINES = ("linear_score", "sjf", "fifo")
_COLUMNS = (
    *("metrics.`eval_min_block_return`", "metrics.`eval_mean_return`"),
    *(f"metrics.`baseline.{name}.eval_min_block_return`" for name in _BASELINES[:2]),
    *("metrics.`mean_wait_s`", "tags.`diagnosis`", "tags.`env`", "params.`seed`"),
)
_ORDER = "metrics.`eval_min_block_return`"
_JUDGEMENT, _HEALTH = "judgement on val", "health of the training"
#: Where MLflow puts a chart of every other metric, some hundred: folded, as drawing them all takes a browser minutes.
_FOLDED = ("timing", "Model metrics", "System metrics")
_WITH_BASELINES = (
    "eval_min_block_return",
    *(f"baseline.{name}.eval_min_block_return" for name in _BASELINES),
)
#: Section, the metrics of one chart, and whether it is drawn over steps rather than as bars of the last values.
_CHARTS: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    (_JUDGEMENT, _WITH_BASELINES, True),
    (_JUDGEMENT, _WITH_BASELINES, False),
    (_JUDGEMENT, ("eval_mean_return",), True),
    (_HEALTH, ("entropy_frac",), True),
    (_HEALTH, ("approx_kl",), True),
    (_HEALTH, ("explained_variance",), True),
    (_HEALTH, ("noop_feasible_frac",), True),
)


def experiment_tags() -> dict[str, str]:
    """The tags of a fresh experiment."""
    return {KIND_TAG: KIND, VIEW_TAG: view_text()}


def view_text() -> str:
    """The saved view as MLflow's pages read it."""
    now_ms = int(time.time() * 1000)
    state = {
        "orderByKey": _ORDER,
        "orderByAsc": False,
        "selectedColumns": list(_COLUMNS),
        "columnWidths": {},
        "compareRunCharts": [_chart(number, *chart) for number, chart in enumerate(_CHARTS)],
        "compareRunSections": [
            *(_section(name, is_open=True) for name in (_JUDGEMENT, _HEALTH)),
            *(_section(name, is_open=False) for name in _FOLDED),
        ],
        "isAccordionReordered": True,
    }
    envelope = {"name": VIEW_NAME, "createdAt": now_ms, "updatedAt": now_ms, "state": json.dumps(state)}
    return json.dumps(envelope)


def runs_address(server: str, experiment_id: str, *, charts: bool = False) -> str:
    """The address of an experiment's runs, with the saved view.

    Args:
        server: such as `http://127.0.0.1:5000`.
        experiment_id: MLflow's.
        charts: the charts instead of the table.
    """
    query = {"workflowType": "machine_learning", "viewStateShareKey": VIEW_ID}
    if charts:
        query["compareRunsMode"] = "CHART"
    return f"{server}/#/experiments/{experiment_id}/runs?{urlencode(query)}"


def _section(name: str, *, is_open: bool) -> dict[str, Any]:
    return {
        "uuid": name,
        "name": name,
        "display": is_open,
        "columns": 2,
        "isReordered": True,
        "deleted": False,
    }


def _chart(number: int, section: str, metrics: Sequence[str], over_steps: bool) -> dict[str, Any]:
    chart = {
        "uuid": f"{VIEW_ID}-{number}",
        "type": "LINE" if over_steps else "BAR",
        "metricSectionId": section,
        "metricKey": metrics[0],
        "selectedMetricKeys": list(metrics),
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
    }
    over = {"xAxisKey": "step", "scaleType": "linear", "lineSmoothness": 0, "useGlobalXaxisKey": True}
    return chart | (over if over_steps else {})
