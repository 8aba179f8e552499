"""The HTML copy of an executed notebook. It shows its pictures with no network: plotly.js is inside, once.

Papermill keeps a plotly figure only as its own mime type, which a plain HTML export leaves out.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

from lakehouse.runner import EXPLAINS

PLOTLY_MIME = "application/vnd.plotly.v1+json"
STYLE = """<style>
/* what a cell prints or displays begins where its result begins: the template makes an empty prompt narrower */
.jp-OutputArea-prompt:empty { padding: var(--jp-code-padding); border: var(--jp-border-width) solid transparent; }
</style>
</head>"""


def _figure_html(figure: dict[str, Any], with_library: bool) -> str:
    import plotly.graph_objects as go
    import plotly.io as pio

    return pio.to_html(
        go.Figure(figure.get("data"), figure.get("layout")),
        include_plotlyjs=with_library,
        full_html=False,
        config={"displayModeBar": False},
    )


def embed_figures(notebook: Any) -> int:
    """Give each stored plotly figure an HTML form; the first carries the library. Returns how many there are."""
    figures = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PLOTLY_MIME in data:
                # a JSON round trip turns nbformat's nodes into plain dicts
                figure = json.loads(json.dumps(data.pop(PLOTLY_MIME)))
                data["text/html"] = _figure_html(figure, with_library=figures == 0)
                figures += 1
    return figures


def merge_parameters(notebook: Any) -> None:
    """Show a run's parameters once: papermill puts its values into a cell of their own below the tagged one.

    The tagged cell gets the run's values and keeps its comments; the injected cell goes.
    """
    by_tag = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    if not {"parameters", "injected-parameters"} <= by_tag.keys():
        return
    given, declared = by_tag["injected-parameters"], by_tag["parameters"]
    for line in ast.parse(given.source).body:
        name, _, value = (ast.get_source_segment(given.source, line) or "").partition(" = ")
        # `name: type = default  # what it is`: all but the default stays
        found = re.search(rf"^{re.escape(name)}\b[^=\n]*= (.*?)(?=  #|$)", declared.source, flags=re.MULTILINE)
        if found:
            declared.source = declared.source[: found.start(1)] + value + declared.source[found.end(1) :]
    notebook.cells.remove(given)


def name_left_out(notebook: Any) -> None:
    """Say in a cell that was not run why it has no output."""
    for cell in notebook.cells:
        if EXPLAINS in cell.metadata.get("tags", []) and cell.execution_count is None:
            cell.source = f"# not run by the pipeline: this cell is for a reader (`make lab`)\n{cell.source}"


def to_html(notebook_path: Path) -> Path:
    """Write `<name>.html` beside an executed notebook and return its path."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(notebook_path, as_version=4)
    embed_figures(notebook)
    merge_parameters(notebook)
    name_left_out(notebook)
    # nothing from the network: the page is for reading offline
    from_network = dict.fromkeys(("require_js_url", "mathjax_url", "mermaid_js_url", "mermaid_layout_elk_js_url"), "")
    exporter = HTMLExporter(template_name="lab", embed_images=True, **from_network)
    body, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": notebook_path.stem}})
    target = notebook_path.with_suffix(".html")
    # whoever opens the page while it is written sees none, and never half of it
    unfinished = target.with_suffix(".html.part")
    unfinished.write_text(body.replace("</head>", STYLE, 1), encoding="utf-8")
    return unfinished.replace(target)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        to_html(Path(argument))
