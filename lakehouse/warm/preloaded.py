"""What a forked process has imported already: the kernel, what the notebooks of the pipeline's steps use, and what
makes their pages.

Nothing here may start a thread, open a connection or read a setting when it is imported.
"""

from __future__ import annotations

from importlib import import_module

import duckdb  # noqa: F401
import ipykernel.debugger
import ipykernel.ipkernel
import ipykernel.kernelapp  # noqa: F401
import IPython.core.completerlib
import IPython.extensions.storemagic  # noqa: F401
import nbconvert.exporters.html  # noqa: F401
import nbformat  # noqa: F401
import pandas  # noqa: F401
import plotly.express  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pyiceberg.catalog.rest  # noqa: F401
import pyspark.sql.connect.functions
import pyspark.sql.connect.session  # noqa: F401
import typer  # noqa: F401

import lakehouse.checks.engines
import lakehouse.checks.forward
import lakehouse.checks.layers
import lakehouse.checks.money
import lakehouse.lesson.diagrams
import lakehouse.maintenance
import lakehouse.pending
import lakehouse.reconcile
import lakehouse.semantic.blocking
import lakehouse.semantic.by_hand
import lakehouse.semantic.inspection  # noqa: F401
from lakehouse.pipeline import STEPS

for _step in STEPS:
    import_module(_step.module)
