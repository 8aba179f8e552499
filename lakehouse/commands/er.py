"""`lakehouse er …`: how good entity resolution is, and how it came about."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from lakehouse.settings import get_settings

app = typer.Typer(no_args_is_help=True, help="Entity resolution: who is who over the three senders.")
console = Console()


@app.command()
def evaluate() -> None:
    """Compare semantic.entity_index with the generated world's truth, which the pipeline never reads."""
    from lakehouse.semantic.evaluation import evaluate_generated

    result = evaluate_generated(get_settings().world_dir)
    table = Table("", "precision", "recall", "F1", title="entities against the truth")
    for name, score in (("pairs", result.pairwise), ("B³ (per record)", result.b_cubed)):
        table.add_row(name, f"{score.precision:.4f}", f"{score.recall:.4f}", f"{score.f1:.4f}")
    console.print(table)
    console.print(
        f"{result.records:,} records: {result.predicted_clusters:,} entities for {result.true_clusters:,} people,"
        f" {result.exact_clusters:,} exactly right; largest {result.largest_predicted} (true: {result.largest_true})."
    )
    if result.only_predicted or result.only_true:
        console.print(
            f"Not compared: {result.only_predicted:,} records without a truth,"
            f" {result.only_true:,} of the truth that have not arrived.",
            style="dim",
        )


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
