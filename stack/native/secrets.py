"""Secrets of a stack: generated once into `secrets.env` (mode 0600, git-ignored), kept ever after."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import get_args, get_origin

from pydantic import SecretStr

from lakehouse.settings import ENV_PREFIX, SECRET_BYTES, Settings, secrets_file


def _secret_fields() -> dict[str, bool]:
    """Name of each secret setting that must be there → whether it is a list of secrets (for rotation).

    An optional one is a login at somebody else's service: nothing that could be generated.
    """
    fields = {}
    for name, field in Settings.model_fields.items():
        if field.annotation is SecretStr:
            fields[name] = False
        elif get_origin(field.annotation) is tuple and SecretStr in get_args(field.annotation):
            fields[name] = True
    return fields


def _generate(name: str, is_list: bool) -> str:
    value = secrets.token_urlsafe(SECRET_BYTES)
    if name.startswith("stripe_"):
        value = f"whsec_{value}"
    return json.dumps([value]) if is_list else value


def ensure_secrets(data_dir: Path) -> list[str]:
    """Generate what is missing; returns the names that were added. Existing values never change.

    A secret given by the environment is not written to the file.
    """
    target = secrets_file(data_dir)
    present = target.read_text(encoding="utf-8").splitlines() if target.exists() else []
    names = {line.split("=", 1)[0] for line in present if "=" in line}
    added = []
    for name, is_list in _secret_fields().items():
        variable = f"{ENV_PREFIX}{name.upper()}"
        if variable in names or os.environ.get(variable):
            continue
        present.append(f"{variable}={_generate(name, is_list)}")
        added.append(name)
    if added:
        data_dir.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text("\n".join(present) + "\n", encoding="utf-8")
        partial.replace(target)
    return added
