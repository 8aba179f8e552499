"""Airflow imports this at its start in each of its processes.

Tasks are forked from the scheduler: what it has imported, a task need not import again. papermill costs
more CPU than all the rest of a small task, so only the scheduler loads it, once. What tasks start, kernels and the
makers of pages, is forked, too: from a server in the notebooks' environment, which only the scheduler starts.
"""

import sys

__all__: list[str] = []  # nothing here is to replace a name in Airflow's own settings

if "scheduler" in sys.argv:
    import papermill  # noqa: F401
    from warm_server import start_warm_server

    start_warm_server()
