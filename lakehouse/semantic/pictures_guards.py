"""Pictures of what guards are for: customers that have grown together, with and without them (plotly)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lakehouse.semantic import blocking, by_hand, matching, records
from lakehouse.semantic.clusters import cluster
from lakehouse.semantic.pictures import LOWEST, OTHER, SAME
from lakehouse.semantic.resolution import connect

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    import pyarrow as pa

    from lakehouse.semantic.records import Key

    Numbers = np.ndarray[Any, np.dtype[Any]]

THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Probabilities from which pairs are joined."""


def cluster_graph(people: pa.Table, pairs: pa.Table, label: Numbers, truth: Mapping[Key, str]) -> go.Figure:
    """The cluster of most people: a point is a record, a colour a person; red are the pairs that join two people."""
    import plotly.express as px
    import plotly.graph_objects as go

    counted = by_hand.people_per_cluster(people, label, truth)
    chosen = max(counted, key=lambda one: (counted[one], -one), default=-1)
    keys = records.keys_of(people)
    members = sorted(np.flatnonzero(label == chosen).tolist(), key=lambda n: (truth.get(keys[n], ""), n))
    angles = {member: 2 * np.pi * n / max(len(members), 1) for n, member in enumerate(members)}
    who = {member: truth.get(keys[member], "") for member in members}
    figure = go.Figure()
    ends_of = zip(*(pairs.column(side).to_pylist() for side in ("l", "r")), strict=True)
    inside = [pair for pair in ends_of if pair[0] in angles]
    for same, color, name in ((False, OTHER, "joins two people"), (True, SAME, "one person")):
        ends = [pair for pair in inside if (who[pair[0]] == who[pair[1]]) == same]
        x, y = ([at for a, b in ends for at in (turn(angles[a]), turn(angles[b]), None)] for turn in (np.cos, np.sin))
        figure.add_scatter(x=x, y=y, mode="lines", line={"color": color, "width": 1}, opacity=0.6, hoverinfo="skip",
                           name=f"{name}: {len(ends)} pairs")  # fmt: skip
    palette = px.colors.qualitative.Pastel + px.colors.qualitative.Set2
    colour = {person: palette[n % len(palette)] for n, person in enumerate(dict.fromkeys(who.values()))}
    figure.add_scatter(
        x=[np.cos(angles[m]) for m in members], y=[np.sin(angles[m]) for m in members], mode="markers+text",
        marker={"size": 22, "color": [colour[who[m]] for m in members], "line": {"color": "#475569", "width": 1}},
        text=_names(people, members), textposition=["middle right" if np.cos(angles[m]) >= 0 else "middle left"
                                                    for m in members], showlegend=False, cliponaxis=False,
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-1.8, 1.8]).update_yaxes(visible=False, range=[-1.15, 1.15])
    return figure.update_layout(
        title=f"One \u201ccustomer\u201d: {len(members)} records of {len(colour)} people", height=560,
        plot_bgcolor="white",
    )  # fmt: skip


def _names(people: pa.Table, members: Sequence[int]) -> list[str]:
    rows = people.select(["given_n", "family_n"]).take(members).to_pylist()
    return ["  " + " ".join(filter(None, (row["given_n"], row["family_n"]))).title() + "  " for row in rows]


def over_merged(people: pa.Table, truth: Mapping[Key, str]) -> pd.DataFrame:
    """By threshold, with and without guards: entities of more than one person, as `threshold`, `guards`,
    `over_merged`, `wrong_pairs` (joined, of two people), `largest` (records)."""
    import pandas as pd

    with connect() as con:
        blocking.register(con, people)
        blocking.index(con)
        blocking.candidates(con)
        guarded, every = matching.score(con, None, LOWEST), matching.score_unguarded(con, LOWEST)
    rows = []
    for threshold in THRESHOLDS:
        for guards, edges in ((False, every), (True, guarded)):
            chosen = edges.filter(edges.column("probability").to_numpy() >= threshold)
            label = cluster(people, chosen).label if guards else by_hand.chains(people, chosen)
            counted = by_hand.people_per_cluster(people, label, truth).values()
            largest = int(np.bincount(label).max()) if len(label) else 0
            wrong = _wrong_pairs(label, [truth.get(key) for key in records.keys_of(people)])
            rows.append((threshold, guards, sum(n > 1 for n in counted), wrong, largest))
    return pd.DataFrame(rows, columns=["threshold", "guards", "over_merged", "wrong_pairs", "largest"])


def _wrong_pairs(label: Numbers, who: Sequence[str | None]) -> int:
    """Pairs in one cluster that are of two people; records that the truth does not know are left out."""
    known = [(cluster, person) for cluster, person in zip(label.tolist(), who, strict=True) if person is not None]
    joined, right = Counter(cluster for cluster, _ in known), Counter(known)
    return sum(n * (n - 1) // 2 for n in joined.values()) - sum(n * (n - 1) // 2 for n in right.values())


def guards_curve(sweep: pd.DataFrame) -> go.Figure:
    """Entities of more than one person by the threshold, from what `over_merged` gives."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for guards, name, color in ((False, "every pair joins", OTHER), (True, "with guards", SAME)):
        mine = sweep[sweep["guards"] == guards]
        figure.add_scatter(
            x=[matching.weight_of(p) for p in mine["threshold"]], y=mine["over_merged"], name=name,
            mode="lines+markers", line={"color": color, "width": 3}, customdata=mine[["threshold", "largest"]],
            hovertemplate="from probability %{customdata[0]}: %{y}, the largest with %{customdata[1]} records",
        )  # fmt: skip
    return figure.update_layout(
        title="Entities that hold more than one person",
        xaxis_title="match weight from which a pair is taken, log2", yaxis_title="entities",
    )  # fmt: skip
