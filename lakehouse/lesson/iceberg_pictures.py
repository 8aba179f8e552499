"""An Iceberg table as pictures, drawn from the files that are there: the tree of its metadata, and its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse.lesson.diagrams import COLOURS, LINE, Box, flow

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

MOST = 8
"""Boxes of a column; the rest is one box that counts them."""
CATALOG, METADATA, SNAPSHOT, MANIFEST, DATA, DELETES = 5, 0, 4, 2, 1, 3
OPERATIONS = {"append": "#2a9d8f", "overwrite": "#e9a23b", "delete": "#d1495b", "replace": "#64748b"}


@dataclass(frozen=True)
class Tree:
    """The files of a table by level, from the catalog to the data, and which names which."""

    columns: list[list[Box]] = field(default_factory=list)
    arrows: list[tuple[str, str]] = field(default_factory=list)

    def picture(self, title: str = "", most: int = MOST) -> go.Figure:
        """Boxes and arrows; of a long column the first `most`."""
        columns = [_short(column, most) for column in self.columns]
        shown = {box.key for column in columns for box in column}
        hidden = {box.key: column[-1].key for column, all_of_it in zip(columns, self.columns, strict=True)
                  for box in all_of_it if box.key not in shown}  # fmt: skip
        arrows = dict.fromkeys((hidden.get(left, left), hidden.get(right, right)) for left, right in self.arrows)
        return flow(columns, arrows, title)


def _short(column: Sequence[Box], most: int) -> list[Box]:
    if len(column) <= most:
        return list(column)
    rest = len(column) - most + 1
    return [*column[: most - 1], Box(f"more-{column[0].key}", f"… and {rest} more", colour=column[0].colour)]


def size(count: int) -> str:
    """Bytes in words."""
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1024:,.0f} KiB"


def name(path: str) -> str:
    """The last part of a path, shortened in its middle: what comes before are bucket, namespace and table."""
    last = path.rsplit("/", 1)[-1]
    return last if len(last) <= 20 else f"{last[:8]}…{last[-11:]}"


def tree(table: IcebergTable, snapshots: Iterable[int] | None = None) -> Tree:
    """What the catalog's one entry leads to: by default what the current snapshot needs, and nothing else.

    Reads the metadata file's size, the manifest lists and the manifests, and no data. A file of deletes is drawn
    beside the data. Raises `ValueError` for a table without a snapshot.
    """
    current = table.current_snapshot()
    if current is None:
        raise ValueError(f"{table.name()} has no snapshot: there is nothing to draw")
    wanted = {current.snapshot_id, *snapshots} if snapshots is not None else {current.snapshot_id}
    chosen = [snapshot for snapshot in table.snapshots() if snapshot.snapshot_id in wanted]
    names = {ref.snapshot_id: label for label, ref in reversed(table.refs().items())}
    document = Box("metadata", f"metadata.json<br>{len(table.snapshots())} snapshots",
                   f"{name(table.metadata_location)}<br>{size(_bytes(table, table.metadata_location))}<br>"
                   f"{len(table.schemas())} schemas, {len(table.specs())} partition specs", METADATA)  # fmt: skip
    entry = Box("catalog", f"catalog<br>{table.name()[-1]}", "a row in PostgreSQL:<br>where metadata.json is", CATALOG)
    lists, manifests, files = [], dict[str, Box](), dict[str, Box]()
    arrows = dict.fromkeys([("catalog", "metadata")])
    for snapshot in chosen:
        lists.append(_list_box(table, snapshot, names.get(snapshot.snapshot_id, "")))
        arrows["metadata", lists[-1].key] = None
        for manifest in snapshot.manifests(table.io):
            manifests.setdefault(manifest.manifest_path, _manifest_box(manifest))
            arrows[lists[-1].key, manifest.manifest_path] = None
            for live in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                file = live.data_file
                files.setdefault(file.file_path, _file_box(file))
                arrows[manifest.manifest_path, file.file_path] = None
    columns = [[entry], [document], lists, list(manifests.values()), list(files.values())]
    return Tree(columns, list(arrows))


def _bytes(table: IcebergTable, path: str) -> int:
    return len(table.io.new_input(path))


def _list_box(table: IcebergTable, snapshot: Snapshot, label: str) -> Box:
    path = snapshot.manifest_list
    operation = snapshot.summary.operation.value if snapshot.summary is not None else ""
    text = f"manifest list<br>{label or operation} …{str(snapshot.snapshot_id)[-5:]}"
    return Box(path, text, f"{name(path)}<br>{size(_bytes(table, path))}<br>snapshot {snapshot.snapshot_id}", SNAPSHOT)


def _manifest_box(manifest: ManifestFile) -> Box:
    live = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
    kind = "manifest" if manifest.content == 0 else "delete manifest"
    files = "1 file" if live == 1 else f"{live} files"
    gone = f", {manifest.deleted_files_count} removed" if manifest.deleted_files_count else ""
    hover = (f"{name(manifest.manifest_path)}<br>{size(manifest.manifest_length)}<br>"
             f"by snapshot {manifest.added_snapshot_id}")  # fmt: skip
    return Box(manifest.manifest_path, f"{kind}<br>{files}{gone}", hover, MANIFEST)


def _file_box(file: DataFile) -> Box:
    what, colour = ("row", DATA) if file.content == 0 else ("place", DELETES)
    what += "" if file.record_count == 1 else "s"
    kind = "data file" if file.content == 0 else "delete file"
    hover = f"{name(file.file_path)}<br>{size(file.file_size_in_bytes)}<br>{file.record_count:,} {what}"
    return Box(file.file_path, f"{kind}<br>{file.record_count:,} {what}", hover, colour)


# -- history ------------------------------------------------------------------------------------------------------


def lanes(parents: Mapping[int, int | None], current: int | None) -> dict[int, int]:
    """Snapshot → 0 for one that the current table comes from, else the number of its side branch, from 1."""
    lane: dict[int, int] = {}
    at = current
    while at is not None and at in parents:
        lane[at] = 0
        at = parents[at]
    new = 0
    for snapshot, parent in parents.items():
        if snapshot not in lane:
            if parent not in lane or lane[parent] == 0:
                new += 1
                lane[snapshot] = new
            else:
                lane[snapshot] = lane[parent]
    return lane


def history(table: IcebergTable, title: str = "") -> go.Figure:
    """All kept snapshots in the order of their commits: on the lowest line those that the table as it is comes from."""
    import plotly.graph_objects as go

    snapshots = sorted(table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0)
    current = table.current_snapshot()
    lane = lanes({s.snapshot_id: s.parent_snapshot_id for s in snapshots}, current.snapshot_id if current else None)
    at = {s.snapshot_id: (x, lane[s.snapshot_id]) for x, s in enumerate(snapshots)}
    refs: dict[int, list[str]] = {}
    for label, ref in table.refs().items():
        refs.setdefault(ref.snapshot_id, []).append(label)
    figure = go.Figure()
    for s in snapshots:
        if s.parent_snapshot_id in at:
            (x0, y0), (x1, y1) = at[s.parent_snapshot_id], at[s.snapshot_id]
            # a side branch leaves its parent at once: it must not seem to come from another on the way
            figure.add_scatter(x=[x0, x0 + 0.3, x1], y=[y0, y1, y1], mode="lines", line={"color": LINE},
                               hoverinfo="skip", showlegend=False)  # fmt: skip
    for operation in dict.fromkeys(_operation(s) for s in snapshots):
        mine = [s for s in snapshots if _operation(s) == operation]
        figure.add_scatter(x=[at[s.snapshot_id][0] for s in mine], y=[at[s.snapshot_id][1] for s in mine],
                           mode="markers", name=operation, hovertext=[_said(s) for s in mine], hoverinfo="text",
                           marker={"size": 18, "color": OPERATIONS.get(operation, LINE)})  # fmt: skip
    for snapshot_id, labels in refs.items():
        if snapshot_id in at:
            x, y = at[snapshot_id]
            # below the table's own line, so that no side branch runs through it
            figure.add_annotation(x=x, y=y, text=", ".join(labels), showarrow=False, yshift=26 if y else -26,
                                  borderpad=3, bgcolor=COLOURS[0])  # fmt: skip
    highest = max((y for _, y in at.values()), default=0)
    figure.update_xaxes(visible=False, range=[-0.5, len(snapshots) - 0.5])
    figure.update_yaxes(visible=False, range=[-0.8, highest + 0.6])
    return figure.update_layout(title=title or None, height=170 + 80 * highest, plot_bgcolor="white",
                                margin={"l": 10, "r": 10, "t": 50 if title else 10, "b": 10})  # fmt: skip


def _operation(snapshot: Snapshot) -> str:
    return snapshot.summary.operation.value if snapshot.summary is not None else ""


def _said(snapshot: Snapshot) -> str:
    counts = dict(snapshot.summary.additional_properties) if snapshot.summary is not None else {}
    wanted = ("added-records", "deleted-records", "added-position-deletes", "total-records")
    lines = [f"{key}: {counts[key]}" for key in wanted if key in counts]
    return "<br>".join([f"snapshot {snapshot.snapshot_id}", _operation(snapshot), *lines])
