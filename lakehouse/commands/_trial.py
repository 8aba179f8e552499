"""Tables of `lakehouse er evaluate --dataset`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from lakehouse.semantic.datasets import Dataset
    from lakehouse.semantic.trial import Trial

MOST_SIZES = 12


def print_trial(
    console: Console, dataset: Dataset, threshold: float | None, model_name: str | None, plain: bool
) -> None:
    """Resolve the data set by this engine, and by plain Splink, and print both."""
    from lakehouse.commands.er import print_scores
    from lakehouse.semantic import model, trial

    parameters = model.load(model_name) if model_name else None
    if parameters is None and dataset.name.startswith("generated"):
        parameters = model.load()  # what the pipeline uses
        threshold = threshold if threshold is not None else model.MATCH_PROBABILITY
    if dataset.mapping:
        taken = ", ".join(f"{attribute} = {column}" for attribute, column in sorted(dataset.mapping.items()))
        console.print(f"{dataset.name}: {dataset.people.num_rows:,} records; {taken}", style="dim")
    with console.status(f"resolving {dataset.people.num_rows:,} records …"):
        mine = trial.run(dataset, threshold, parameters)
    found, seconds = {"this engine": mine.evaluation}, {"this engine": mine.seconds}
    if plain:
        with console.status("the same with Splink alone …"):
            found["plain Splink"], seconds["plain Splink"] = trial.run_plain(dataset)
    known = {name: evaluation for name, evaluation in found.items() if evaluation is not None}
    if known:
        print_scores(known, f"{dataset.name}, threshold {mine.threshold:g}, model {mine.parameters.version}")
    else:
        console.print("No truth is known (--truth COLUMN), so there is nothing to score.", style="yellow")
    print_sizes(console, mine, dataset)
    if known:
        print_passes(console, mine, dataset)
    console.print(", ".join(f"{name}: {took:.1f} s" for name, took in seconds.items()))


def print_sizes(console: Console, mine: Trial, dataset: Dataset) -> None:
    """How many records entities and people have."""
    ours = Counter(Counter(mine.resolution.entity.tolist()).values())
    real = Counter(Counter(dataset.truth.values()).values())
    table = Table("records of one person", "entities", "people", title="sizes")
    sizes = sorted(set(ours) | set(real))
    for size in sizes[:MOST_SIZES]:
        table.add_row(str(size), f"{ours[size]:,}", f"{real[size]:,}" if real else "")
    if len(sizes) > MOST_SIZES:
        more = sizes[MOST_SIZES:]
        table.add_row(f"{more[0]} to {more[-1]}", *(f"{sum(c[s] for s in more):,}" for c in (ours, real)))
    console.print(table)


def print_passes(console: Console, mine: Trial, dataset: Dataset) -> None:
    """What each blocking pass finds of the true pairs."""
    from lakehouse.semantic.trial import pass_recall

    passes, total = pass_recall(mine.resolution.people, dataset.truth, dataset.between_sources)
    table = Table(title=f"blocking: {total:,} true pairs")
    table.add_column("pass", no_wrap=True)
    for name in ("pairs", "true", "added", "recall", "largest block", "dropped records"):
        table.add_column(name, justify="right")
    so_far = 0
    for one in passes:
        so_far += one.added
        table.add_row(
            one.name, f"{one.pairs:,}", f"{one.found:,}", f"{one.added:,}", f"{so_far / max(total, 1):.4f}",
            f"{one.largest_block:,}", f"{one.dropped_records:,}",
        )  # fmt: skip
    console.print(table)
