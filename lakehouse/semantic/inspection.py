"""One person or one pair looked at closely: what is known, and why two records match or do not."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lakehouse import metadata
from lakehouse.semantic import blocking, matching, model, normalized_records
from lakehouse.semantic.overrides import UnknownRecord
from lakehouse.semantic.records import Key
from lakehouse.semantic.resolution import connect
from lakehouse.semantic.tables import ENTITY_EDGES, ENTITY_EVENTS, ENTITY_INDEX

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import pyarrow as pa


SHOWN = {
    "name": ("given_n", "family_n"), "email": ("email_n",), "phone": ("phone_n",),
    "address": ("street_n", "zip_n", "city_n"), "birth": ("birth_n",), "identifier": ("id_n",),
}  # fmt: skip
"""Field of the model → the columns that it is compared by."""
PRIOR = "before looking"
LABEL_WIDTH = 20
"""Characters of a line below a step of the waterfall."""
UP, DOWN, TOTAL = "#2a9d8f", "#d1495b", "#4c6a92"


@dataclass(frozen=True)
class Person:
    """An entity with its records, the edges among them, and its events, oldest first."""

    entity_id: str
    records: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    events: list[dict[str, Any]]


class Part(NamedTuple):
    """What one field adds to the weight of a pair, and what the two records say there."""

    field: str
    left: str
    right: str
    agreement: str
    weight: float


@dataclass(frozen=True)
class Explanation:
    """A pair's weight (log2) as the sum of its parts; the first is what is known before looking: the prior."""

    left: Key
    right: Key
    parts: list[Part]
    weight: float
    probability: float
    threshold: float
    verdict: str

    def waterfall(self) -> go.Figure:
        """The parts as steps, from the prior to the whole."""
        import plotly.graph_objects as go

        shown = [part for part in self.parts if part.weight]
        figure = go.Figure(
            go.Waterfall(
                x=[*map(_step_label, shown), "weight"],
                y=[part.weight for part in shown] + [None],
                measure=["relative"] * len(shown) + ["total"],
                text=[f"{part.weight:+.1f}" for part in shown] + [f"{self.weight:+.1f}"],
                # inside, there is no room in a small bar, and the line of the threshold would cross the rest
                textposition="outside",
                cliponaxis=False,
                hovertext=[f"{part.left} · {part.right}" for part in shown] + [f"probability {self.probability:.4f}"],
                increasing_marker_color=UP,
                decreasing_marker_color=DOWN,
                totals_marker_color=TOTAL,
            )
        )
        limit = matching.weight_of(self.threshold)
        figure.add_hline(y=limit, line_dash="dash", line_color="#6b7280", layer="below",
                         annotation_text=f"a match from {self.threshold:g} on",
                         annotation_position="bottom left")  # fmt: skip
        figure.update_xaxes(tickangle=0)
        figure.update_layout(
            title=f"{self.verdict} Probability {self.probability:.4f}", yaxis_title="match weight, log2"
        )
        return figure


def _step_label(part: Part) -> str:
    """The field, and below it in lines that do not run into the neighbours' what agrees."""
    lines = "<br>".join(textwrap.wrap(part.agreement, LABEL_WIDTH))
    return f"{part.field}<br><span style='font-size:11px'>{lines}</span>"


def person(key: Key) -> Person:
    """The person of a record. Raises `UnknownRecord`."""
    from pyiceberg.expressions import And, EqualTo, In

    index = metadata.load(ENTITY_INDEX)
    mine = index.scan(row_filter=And(EqualTo("source", key[0]), EqualTo("source_id", key[1]))).to_arrow().to_pylist()
    if not mine:
        raise UnknownRecord(f"semantic.entity_index has no record {key[0]}:{key[1]}", "`lakehouse pipeline run` first?")
    entity = mine[0]["entity_id"]
    records = index.scan(row_filter=EqualTo("entity_id", entity)).to_arrow().to_pylist()
    records.sort(key=lambda row: (row["source"], row["source_id"]))
    members = {(row["source"], row["source_id"]) for row in records}
    edges = (
        metadata.load(ENTITY_EDGES).scan(row_filter=In("left_id", [key[1] for key in members])).to_arrow().to_pylist()
    )
    within = [
        row for row in edges
        if {(row["left_source"], row["left_id"]), (row["right_source"], row["right_id"])} <= members
    ]  # fmt: skip
    events = metadata.load(ENTITY_EVENTS).scan().to_arrow().to_pylist()
    told = [row for row in events if entity in (row["entity_id"], row["another_id"])]
    return Person(
        entity,
        records,
        sorted(within, key=lambda row: -row["match_weight"]),
        sorted(told, key=lambda row: (row["created_at"], row["event_id"])),
    )


def explain(a: Key, b: Key, people: pa.Table | None = None, parameters: model.Parameters | None = None,
            threshold: float = model.MATCH_PROBABILITY) -> Explanation:  # fmt: skip
    """Why two records match or do not, by the model of the pipeline; whether a pass finds the pair is said too.

    `people` are normalised records, by default those of the lakehouse: a value that many of them share is no evidence.
    Raises `UnknownRecord`.
    """
    chosen = parameters or model.load()
    everybody = normalized_records.read(None) if people is None else people
    with connect() as con:
        blocking.register(con, everybody)
        left, right = sorted((_position(con, a), _position(con, b)))
        blocking.index(con)
        blocking.candidates(con)
        # as `records.normalise` sorts them
        met = con.execute(f"SELECT count(*) FROM pairs WHERE l = {left} AND r = {right}").fetchall()[0][0]
        con.execute(f"CREATE OR REPLACE TABLE pairs AS SELECT {left}::BIGINT AS l, {right}::BIGINT AS r")
        found = matching.compare(con, chosen)
        rows = con.sql(f"FROM compared WHERE idx IN ({left}, {right}) ORDER BY idx").to_arrow_table().to_pylist()
    parts = [_part(name, everybody, (left, right), rows, found) for name in model.LEVELS]
    weight = matching.weight_of(chosen.prior) + sum(part.weight for part in parts)
    verdict = "They match." if found["probability"] >= threshold else "They do not match."
    if not met:
        verdict = "No blocking pass brings them together, so they are never compared."
    elif found["held_back"]:
        verdict = "Their given names cannot be one person's, so they do not match."
    prior = Part(PRIOR, "", "", f"1 pair in {1 / chosen.prior:,.0f} is one person", matching.weight_of(chosen.prior))
    first, second = sorted((a, b))
    return Explanation(first, second, [prior, *parts], weight, found["probability"], threshold, verdict)


def _position(con: Any, key: Key) -> int:
    found = con.execute("SELECT idx FROM people WHERE source = ? AND source_id = ?", list(key)).fetchall()
    if not found:
        raise UnknownRecord(f"there is no record {key[0]}:{key[1]}", "`lakehouse er person SOURCE:ID` shows a person")
    return int(found[0][0])


def _part(
    name: str, people: pa.Table, at: tuple[int, int], compared: list[dict[str, Any]], found: dict[str, Any]
) -> Part:
    said = [" ".join(filter(None, (people.column(column)[n].as_py() for column in SHOWN[name]))) for n in at]
    level = found["levels"].get(name, -1)
    labels = model.labels(name)
    # Splink counts levels from the weakest
    agreement = labels[len(labels) - 1 - level] if level >= 0 else "not given"
    evidence = f"{name}_e"
    if level < 0 and all(said) and evidence in compared[0]:
        agreement = "no evidence: a desk's, or of too many people"
    return Part(name, said[0], said[1], agreement, found["weights"].get(name, 0.0))
