"""A container's health check: `python ask.py URL [TEXT]` ends with 0 if the page answers 200 and holds TEXT.

Standard library only: it runs every few seconds.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 5


def ask(url: str, text: str = "") -> str:
    """An empty text when all is well, else what is wrong."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            page = answer.read().decode(errors="replace")
    except (urllib.error.URLError, OSError) as error:
        return f"{url}: {error}"
    return "" if text in page else f"{url}: no {text!r} in {page[:200]!r}"


if __name__ == "__main__":
    problem = ask(*sys.argv[1:3])
    if problem:
        sys.exit(problem)
