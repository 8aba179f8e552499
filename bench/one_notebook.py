"""Run one notebook as a task does, in this process, and print when it began and ended.

For the interpreter of Airflow's environment: nothing but `lakehouse.runner` and the standard library is imported. The
process's own start is in, which a task in Airflow, forked from the scheduler, does not have.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    began = float(sys.argv[3])
    from lakehouse.runner import run_notebook

    executed = run_notebook(sys.argv[1], {}, Path(sys.argv[2]))
    print(json.dumps({"notebook": str(executed.notebook), "began": began, "ended": time.time()}))
