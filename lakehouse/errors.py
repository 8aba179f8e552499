"""Errors that a person reads: what went wrong, and what to do next."""

from __future__ import annotations


class LakehouseError(Exception):
    """An error with a next step. The command line shows both, and no traceback."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message if not next_step else f"{message} ({next_step})")
        self.message = message
        self.next_step = next_step
