"""Airflow imports this at its start in each of its processes.

Tasks are forked from the scheduler: what it has imported, a task need not import again. papermill costs
more CPU than all the rest of a small task, so only the scheduler loads it, once.
"""

import sys

if "scheduler" in sys.argv:
    import papermill  # noqa: F401
