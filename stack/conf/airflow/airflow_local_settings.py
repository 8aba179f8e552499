"""Airflow imports this at its start in each of its processes.

Tasks are forked from the scheduler: what it has imported, a task need not import again. papermill costs
more CPU than all the rest of a small task, so only the scheduler loads it, once. The kernels that tasks start are
forked, too: from a server in the notebooks' environment, which only the scheduler starts.
"""

import sys

__all__: list[str] = []  # nothing here is to replace a name in Airflow's own settings

if "scheduler" in sys.argv:
    import papermill  # noqa: F401
    from kernel_server import start_kernel_server

    start_kernel_server()
