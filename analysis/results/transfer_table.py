"""Policies on other clusters than they were trained on, without another training."""

from __future__ import annotations

from analysis.results.family_tables import Judged
from analysis.results.plan import CLUSTERS, GENERAL_NETWORKS, GENERAL_RIVALS, TRAINED_ON, Place, general_name
from analysis.results.tables import GAP, Named, markdown, paired, scores
from sched_rl.statistics import Interval


def generalisation_table(named: Named) -> list[str]:
    """A row a cluster: what the policies earn that were trained on one of them, and the heuristics."""
    players = (*GENERAL_NETWORKS, *GENERAL_RIVALS)
    gains = {network: transfers(named, network) for network in GENERAL_NETWORKS}
    rows = []
    for place in CLUSTERS:
        judged = _judged(named, place)
        cells = [scores(judged.get(player))[1] for player in players]
        cells += [gains[network][place].format(3) if place in gains[network] else GAP for network in gains]
        rows.append([*(str(each) for each in place), *cells])
    head = ["GPUs", "load", "window", *GENERAL_NETWORKS, *(f"`{agent}`" for agent in GENERAL_RIVALS)]
    head += [f"{network} minus the best of the three [95 %]" for network in GENERAL_NETWORKS]
    num_gpus, load, window = TRAINED_ON
    return [
        *markdown(head, rows),
        "",
        f"Trained on {num_gpus} GPUs, load {load}, window {window}; nothing is trained again.",
    ]


def transfers(named: Named, network: str) -> dict[Place, Interval]:
    """What a network earns on each cluster, minus the best heuristic there; clusters without results are left out."""
    found = {}
    for place in CLUSTERS:
        judged = _judged(named, place)
        rivals = [judged[agent] for agent in GENERAL_RIVALS if agent in judged]
        if rivals and network in judged:
            best = max(rivals, key=lambda row: float(row["eval_mean_return"]))
            found[place] = paired(judged[network], best)
    return found


def _judged(named: Named, place: Place) -> dict[str, Judged]:
    return {
        player: named[name][0].own
        for player in (*GENERAL_NETWORKS, *GENERAL_RIVALS)
        if (name := general_name(player, *place)) in named
    }
