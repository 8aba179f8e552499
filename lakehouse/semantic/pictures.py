"""Pictures of entity resolution for notebooks and pages (plotly)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lakehouse.semantic import blocking, matching, model, records
from lakehouse.semantic.resolution import connect

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    import pyarrow as pa

    from lakehouse.semantic.records import Key
    from lakehouse.semantic.trial import PassRecall

LOWEST = 0.001
SAME, OTHER, CUT = "#2a9d8f", "#d1495b", "#e9a23b"


def scored_pairs(people: pa.Table, truth: Mapping[Key, str], parameters: model.Parameters | None = None,
                 unguarded: bool = False) -> tuple[pd.DataFrame, int]:  # fmt: skip
    """Candidate pairs down to a probability of 0.001: `l`, `r`, `weight`, `probability`, `same` (one person by the
    truth).

    And how many pairs of records are one person at all. Pairs of records that the truth does not know are left out.
    `unguarded`: with pairs whose given names are incompatible, by the pipeline's own parameters.
    """
    import pandas as pd

    who = [truth.get(key) for key in records.keys_of(people)]
    with connect() as con:
        blocking.register(con, people)
        blocking.index(con)
        blocking.candidates(con)
        edges = matching.score_unguarded(con, LOWEST) if unguarded else matching.score(con, parameters, LOWEST)
    codes = pd.Series(who).astype("category").cat.codes.to_numpy()
    left, right = edges.column("l").to_numpy(), edges.column("r").to_numpy()
    known = (codes[left] >= 0) & (codes[right] >= 0)
    sizes = np.bincount(codes[codes >= 0])
    frame = pd.DataFrame(
        {
            "l": left[known],
            "r": right[known],
            "weight": edges.column("weight").to_numpy()[known],
            "probability": edges.column("probability").to_numpy()[known],
            "same": (codes[left] == codes[right])[known],
        }
    )
    return frame, int((sizes * (sizes - 1) // 2).sum())


def threshold_curve(pairs: pd.DataFrame, real: int, threshold: float = model.MATCH_PROBABILITY) -> go.Figure:
    """Precision and recall of the pairs at each threshold, before any cluster is built."""
    import plotly.graph_objects as go

    weights = np.linspace(matching.weight_of(LOWEST), pairs["weight"].max() if len(pairs) else 1.0, 120)
    ordered = pairs.sort_values("weight", ascending=False)
    true = np.concatenate([[0], np.cumsum(ordered["same"].to_numpy())])
    taken = np.searchsorted(-ordered["weight"].to_numpy(), -weights, side="right")
    precision = np.where(taken > 0, true[taken] / np.maximum(taken, 1), 1.0)
    recall = true[taken] / max(real, 1)
    figure = go.Figure()
    for name, values, color in (("precision", precision, SAME), ("recall", recall, "#4c6a92")):
        figure.add_scatter(x=weights, y=values, name=name, line={"color": color, "width": 3})
    figure.add_vline(
        x=matching.weight_of(threshold), line_dash="dash", annotation_text=f"threshold {threshold:g}",
        annotation_position="bottom right",
    )  # fmt: skip
    figure.update_layout(
        title=f"What a higher threshold buys, and costs ({real:,} true pairs)",
        xaxis_title="match weight from which a pair is taken, log2",
        yaxis={"title": "share", "tickformat": ".0%", "range": [min(0.5, float(recall.min())), 1.01]},
    )
    return figure


def weight_histogram(pairs: pd.DataFrame, threshold: float = model.MATCH_PROBABILITY) -> go.Figure:
    """How many pairs have which weight, those of one person and those of two."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for same, name, color in ((True, "one person", SAME), (False, "two people", OTHER)):
        chosen = pairs.loc[pairs["same"] == same, "weight"]
        figure.add_histogram(x=chosen, name=f"{name}: {len(chosen):,} pairs", marker_color=color, xbins={"size": 1})
    figure.add_vline(x=matching.weight_of(threshold), line_dash="dash", annotation_text=f"threshold {threshold:g}")
    figure.update_layout(
        title="Weights of the candidate pairs, by the truth", barmode="overlay",
        xaxis_title="match weight, log2", yaxis={"title": "pairs", "type": "log"},
    )  # fmt: skip
    figure.update_traces(opacity=0.7)
    return figure


def recall_of_passes(passes: Sequence[PassRecall], real: int) -> go.Figure:
    """How far each blocking pass brings the recall that is possible at all, in the passes' order."""
    import plotly.graph_objects as go

    before = np.concatenate([[0], np.cumsum([one.added for one in passes])])[:-1]
    names = [one.name for one in passes]
    figure = go.Figure()
    figure.add_bar(y=names, x=before / max(real, 1), orientation="h", name="found before", marker_color="#c9d6e3")
    figure.add_bar(
        y=names, x=[one.added / max(real, 1) for one in passes], orientation="h", name="added by this pass",
        marker_color=SAME, text=[f"+{one.added:,}" for one in passes], textposition="outside", cliponaxis=False,
    )  # fmt: skip
    found = sum(one.added for one in passes)
    figure.update_layout(
        title=f"The ceiling of recall: {found:,} of {real:,} true pairs are candidates", barmode="stack", height=480,
        xaxis={"title": "share of the true pairs", "tickformat": ".0%", "range": [0, 1.08]},
        yaxis={"autorange": "reversed"},
    )  # fmt: skip
    return figure


def largest_entities(index: pd.DataFrame, truth: Mapping[Key, str], most: int = 15) -> go.Figure:
    """The entities with most records; by the truth, how many of those are its main person's and how many are not.

    `index` has the columns of semantic.entity_index.
    """
    import plotly.graph_objects as go

    frame = index.assign(who=[truth.get(key) or "" for key in zip(index["source"], index["source_id"], strict=True)])
    sizes = frame.groupby("entity_id").size().sort_values(ascending=False).head(most)
    mine = frame[frame["entity_id"].isin(sizes.index)].groupby("entity_id")
    main = mine["who"].agg(lambda who: int(who.value_counts().max()))
    names = mine["full_name"].agg(lambda name: next((n for n in name if isinstance(n, str)), "no name"))
    labels = [f"{names[entity]} · {entity[:8]}" for entity in sizes.index]
    figure = go.Figure()
    figure.add_bar(y=labels, x=main[sizes.index], orientation="h", name="records of one person", marker_color=SAME)
    figure.add_bar(y=labels, x=sizes - main[sizes.index], orientation="h", name="of another", marker_color=OTHER)
    figure.update_layout(
        title="The largest entities", barmode="stack", xaxis_title="records", yaxis={"autorange": "reversed"}
    )
    return figure


def keys_of_records(keys: pd.DataFrame) -> go.Figure:
    """Passes × records: the key that each has; equal keys of a pass have one colour, a key of one record alone is grey.

    `keys` has the columns record, blocking_type, blocking_key.
    """
    import plotly.graph_objects as go

    texts = keys.pivot(index="blocking_type", columns="record", values="blocking_key")
    shade = []
    for _, row in texts.iterrows():
        shared = [key for key, n in row.value_counts().items() if n > 1]
        shade.append([None if not isinstance(key, str) else 1 + shared.index(key) if key in shared else 0
                      for key in row])  # fmt: skip
    figure = go.Figure(
        go.Heatmap(
            x=list(texts.columns), y=list(texts.index), z=shade, text=texts.map(_shortened), texttemplate="%{text}",
            colorscale=["#e5e7eb", "#99d5cd", "#f6d3a0", "#c9d6f3"], zmin=0, zmax=3, showscale=False, xgap=3, ygap=3,
        )
    )  # fmt: skip
    figure.update_layout(title="Keys of the records: one colour in a row is one block", height=120 + 32 * len(texts))
    return figure.update_yaxes(autorange="reversed").update_xaxes(side="top", type="category")


def _shortened(key: object) -> str:
    return "" if not isinstance(key, str) else key if len(key) <= 26 else f"{key[:25]}…"
