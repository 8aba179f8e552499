"""Become a service: `python launch.py FILE` reads its command and environment and replaces itself by it.

supervisord's own configuration can hold neither every character nor a changed environment without a reload; and
secrets are better off in a file of their own. Standard library only, so that it costs some 20 ms.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    definition = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    command: list[str] = definition["command"]
    try:
        os.execvpe(command[0], command, {**os.environ, **definition["environment"]})
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")
