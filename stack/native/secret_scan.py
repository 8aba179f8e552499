"""Where a stack's secrets stand: in files, on command lines; as they are, in base64, percent-encoded or in hex."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr

from lakehouse.settings import Settings

NOT_OURS = (".git", ".lakehouse", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints")
LIKE_A_SECRET = {
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a key of AWS": rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a token of GitHub or GitLab": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22,}|glpat-[\w-]{20})",
    "a token of Slack": rb"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a key of Stripe": rb"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/_-]{24,}",
    "a JSON web token": rb"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "a password": rb"""(?i)(?:password|passwd|secret|token|api_?key)\s*[:=]\s*["'][\w+/=-]{20,}["']""",
    # ten X are how Superset writes one that it keeps elsewhere
    "a password in an address": rb"[a-z][a-z0-9+]*://[^/\s:@{}\"'$]+:(?!X{10}@)[^/\s:@{}\"'$]{6,}@",
}
"""What a secret looks like that somebody wrote into the project."""


def secrets_of(settings: Settings) -> dict[str, str]:
    """Every secret value by the name of its setting; of a list, each value has a number."""
    found = {}
    for name, value in settings:
        values = value if isinstance(value, tuple) else (value,)
        found.update(
            {f"{name}/{at}": each.get_secret_value() for at, each in enumerate(values) if isinstance(each, SecretStr)}
        )
    return found


def forms(secret: str) -> set[bytes]:
    """How a value may stand somewhere. Base64 of a text that has it within depends on how many bytes are before it."""
    plain = secret.encode()
    found = {plain, quote(secret, safe="").encode(), plain.hex().encode()}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # without the characters at both ends, which depend on the neighbours
            core = encode(b"\0" * before + plain)[-(-before * 4 // 3) :]
            found.add(core[: (before + len(plain)) // 3 * 4 - -(-before * 4 // 3)])
    return found


def patterns(secrets: Mapping[str, str]) -> dict[bytes, str]:
    """Form → the setting that it is of."""
    return {form: name for name, secret in secrets.items() for form in forms(secret)}


def in_bytes(data: bytes, wanted: Mapping[bytes, str]) -> set[str]:
    """Names of the settings whose secret is there."""
    return {name for form, name in wanted.items() if form in data}


def files(folders: Iterable[Path]) -> Iterator[Path]:
    """Every file below; links are not followed."""
    for folder in folders:
        for parent, names, leaves in os.walk(folder):
            names[:] = [name for name in names if name not in NOT_OURS]
            yield from (path for leaf in leaves if (path := Path(parent) / leaf).is_file() and not path.is_symlink())


def read(path: Path) -> bytes:
    """A file's content; nothing for one that has just gone, or that is another user's."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, PermissionError):
        return b""


def in_files(folders: Iterable[Path], secrets: Mapping[str, str]) -> dict[Path, set[str]]:
    """File → names of the settings whose secret it holds, in whatever form."""
    wanted = patterns(secrets)
    found = {path: in_bytes(read(path), wanted) for path in files(folders)}
    return {path: names for path, names in found.items() if names}


def like_secrets(folder: Path) -> dict[Path, set[str]]:
    """File → what in it looks like a secret, though it is none of a stack's own."""
    compiled = {what: re.compile(pattern) for what, pattern in LIKE_A_SECRET.items()}
    found = {}
    for path in files([folder]):
        data = read(path)
        if kinds := {what for what, pattern in compiled.items() if pattern.search(data)}:
            found[path] = kinds
    return found
