"""`lakehouse er …`: how good entity resolution is, how it came about, and what people have decided."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from lakehouse.errors import LakehouseError
from lakehouse.settings import get_settings

if TYPE_CHECKING:
    from lakehouse.semantic.datasets import Dataset
    from lakehouse.semantic.evaluation import Evaluation

app = typer.Typer(no_args_is_help=True, help="Entity resolution: who is who over the three senders.")
console = Console()
Two = Annotated[str, typer.Argument(metavar="SOURCE:ID", help="a record, as in hubspot:9300000000000042")]


class Decision(StrEnum):
    """What can be said of two records."""

    MUST_LINK = "must_link"
    CANNOT_LINK = "cannot_link"
    DROPPED = "dropped"


@app.command()
def evaluate(
    dataset: Annotated[
        str | None, typer.Option(help="febrl3, febrl4, generated, or a CSV or Parquet file; without: the lakehouse")
    ] = None,
    truth: Annotated[str | None, typer.Option(help="column of the file that is equal for one person")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="ATTRIBUTE=COLUMN", help="where a column was not recognised")
    ] = None,
    link: Annotated[bool, typer.Option(help="each source of the file knows a person once")] = False,
    threshold: Annotated[
        float | None, typer.Option(help="probability from which a pair is a match", min=0, max=1)
    ] = None,
    model: Annotated[str | None, typer.Option(help="a frozen model; without: trained on the table itself")] = None,
    seed: Annotated[int, typer.Option(help="of the generated world")] = 101,
    people: Annotated[int, typer.Option(help="of the generated world", min=10)] = 2000,
    plain: Annotated[bool, typer.Option(help="Splink's plain configuration beside it")] = True,
) -> None:
    """Compare entities with the truth: those of the lakehouse, or of any table of people."""
    if dataset is None:
        _evaluate_lakehouse()
        return
    from lakehouse.commands._trial import print_trial

    print_trial(console, _dataset(dataset, truth, map_ or [], link, seed, people), threshold, model, plain)


def _dataset(name: str, truth: str | None, mapped: list[str], link: bool, seed: int, people: int) -> Dataset:
    from dataclasses import replace

    from lakehouse.semantic import datasets

    if name in datasets.BUILT_IN:
        return datasets.BUILT_IN[name]()
    if name == "generated":
        return datasets.generated(seed, people)
    wrong = [text for text in mapped if "=" not in text]
    if wrong:
        raise LakehouseError(f"--map {wrong[0]} is not ATTRIBUTE=COLUMN", "as in --map birth_date=geboren")
    mapping = dict(text.split("=", 1) for text in mapped)
    return replace(datasets.read_file(Path(name), mapping, truth), between_sources=link)


def _evaluate_lakehouse() -> None:
    from lakehouse.semantic.evaluation import evaluate_generated

    result = evaluate_generated(get_settings().world_dir)
    print_scores({"entities": result}, "entities against the truth")
    if result.only_predicted or result.only_true:
        console.print(
            f"Not compared: {result.only_predicted:,} records without a truth,"
            f" {result.only_true:,} of the truth that have not arrived.",
            style="dim",
        )


def print_scores(results: dict[str, Evaluation], title: str) -> None:
    """Evaluations of the same records beside each other."""
    table = Table("", *(f"[bold]{name}" for name in results), title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, get in (("pairs", lambda e: e.pairwise), ("B³, per record", lambda e: e.b_cubed)):
        for part in ("precision", "recall", "f1"):
            table.add_row(f"{name}: {part}", *(f"{getattr(get(e), part):.4f}" for e in results.values()))
    table.add_section()
    for name, get_count in (
        ("records", lambda e: e.records),
        ("entities", lambda e: e.predicted_clusters),
        ("people", lambda e: e.true_clusters),
        ("exactly right", lambda e: e.exact_clusters),
        ("largest entity", lambda e: e.largest_predicted),
        ("largest person", lambda e: e.largest_true),
    ):
        table.add_row(name, *(f"{get_count(e):,}" for e in results.values()))
    console.print(table)


@app.command()
def stats() -> None:
    """What the last run that changed entities counted: records, pairs of each blocking pass, edges, sizes."""
    from lakehouse import metadata
    from lakehouse.semantic.tables import ENTITY_RESOLUTION_STATS

    rows = metadata.load(ENTITY_RESOLUTION_STATS).scan().to_arrow().to_pylist()
    if not rows:
        console.print("No run has resolved entities yet: run `lakehouse pipeline run`.")
        return
    last = max(rows, key=lambda row: row["created_at"])
    table = Table("metric", "of", "value", title=f"run {last['run_id']}, {last['created_at']:%Y-%m-%d %H:%M:%S} UTC")
    mine = (row for row in rows if row["created_at"] == last["created_at"])
    for row in sorted(mine, key=lambda row: (row["metric"], row["detail"])):
        table.add_row(row["metric"], row["detail"], f"{row['value']:,.0f}")
    console.print(table)


@app.command()
def person(record: Two) -> None:
    """Everything that is known of the person of a record: records, what holds them together, what has happened."""
    from lakehouse.commands._person import print_person
    from lakehouse.semantic.overrides import parse_key

    print_person(console, parse_key(record))


@app.command()
def explain(a: Two, b: Two) -> None:
    """Why two records match or do not: what each field adds to the weight."""
    from lakehouse.commands._person import print_explanation
    from lakehouse.semantic.overrides import parse_key

    print_explanation(console, parse_key(a), parse_key(b))


@app.command()
def decide(
    a: Two,
    b: Two,
    decision: Annotated[Decision, typer.Argument(help="dropped: leave it to the model again")],
    reason: Annotated[str | None, typer.Option(help="why, for whoever reads it later")] = None,
) -> None:
    """Say that two records are one person, or are not. It holds from the next run of the pipeline on."""
    from lakehouse.semantic import overrides

    overrides.decide(overrides.parse_key(a), overrides.parse_key(b), decision.value, reason)
    console.print(f"{a} and {b}: {decision.value}. Next: lakehouse pipeline run")


@app.command()
def decisions() -> None:
    """What people have decided so far, newest first."""
    from lakehouse.semantic import overrides

    table = Table("decided", Column("record", overflow="fold"), Column("record", overflow="fold"), "decision", "why")
    for row in overrides.rows():
        sides = (f"{row[f'{side}_source']}:{row[f'{side}_id']}" for side in ("left", "right"))
        table.add_row(f"{row['decided_at']:%Y-%m-%d %H:%M}", *sides, row["decision"], row["reason"] or "")
    console.print(table if table.row_count else "Nobody has decided anything: all is left to the model.")


@app.command()
def train(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file of people")],
    out: Annotated[Path, typer.Option(help="where the model goes")] = Path("model.json"),
    map_: Annotated[list[str] | None, typer.Option("--map", metavar="ATTRIBUTE=COLUMN")] = None,
) -> None:
    """Learn a model from a table of people, without any truth; the same table gives the same model."""
    from lakehouse.semantic import records, training

    found = _dataset(str(file), None, map_ or [], False, 0, 0)
    with console.status("learning …"):
        parameters = training.train(records.normalise(found.people))
    training.save(parameters, out)
    console.print(f"{out}: {parameters.version}. Use it: lakehouse er evaluate --dataset {file} --model {out}")
