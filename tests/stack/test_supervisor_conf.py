"""supervisord's configuration: private, complete, and true to values with odd characters."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lakehouse.settings import Settings
from lakehouse.waiting import wait_until
from stack.native import lifecycle, supervisor
from stack.native.registry import all_services
from stack.native.service import Service

from .conftest import Install


def test_only_the_owner_can_read_it(settings: Settings) -> None:
    supervisor.write_conf(all_services(), settings)

    assert supervisor.conf_file(settings).stat().st_mode & 0o777 == 0o600


def test_no_service_starts_by_itself_and_all_are_restarted(settings: Settings) -> None:
    text = supervisor.render(all_services(), settings)

    assert text.count("[program:") == len(all_services())
    assert text.count("autostart=false") == text.count("autorestart=true") == len(all_services())


def test_no_secret_is_on_a_command_line(settings: Settings) -> None:
    secrets = [
        secret.get_secret_value()
        for value in dict(settings).values()
        for secret in (value if isinstance(value, tuple) else (value,))
        if hasattr(secret, "get_secret_value")
    ]
    assert len(secrets) > 10

    for service in all_services():
        command = " ".join(service.command(settings))
        assert not [secret for secret in secrets if secret in command], service.name


def test_a_long_data_folder_gets_a_short_socket(settings: Settings, tmp_path: Path) -> None:
    long = settings.model_copy(update={"data_dir": tmp_path / ("x" * 120)})
    other = settings.model_copy(update={"data_dir": tmp_path / ("y" * 120)})

    assert len(str(supervisor.socket_path(long))) < supervisor.SOCKET_PATH_LIMIT
    assert supervisor.socket_path(long) != supervisor.socket_path(other)


def test_odd_values_reach_the_process_as_they_are(settings: Settings, install: Install, tmp_path: Path) -> None:
    odd = {"ODD": 'per%cent "quoted" back\\slash, comma; semi$dollar', "EMPTY": ""}
    out = tmp_path / "out.json"
    script = "import json, os, sys, time; open(sys.argv[1], 'w').write(json.dumps([sys.argv[2], dict(os.environ)])); "
    service = Service(
        name="odd",
        title="odd",
        command=lambda s: [sys.executable, "-c", script + "time.sleep(100)", str(out), "100% of it's"],
        environment=lambda s: odd,
        healthy=lambda s: None,
    )
    lifecycle.up(settings, install(service), lambda *_: None)
    wait_until(lambda: out.exists() and out.stat().st_size, timeout=10, what="the process to write")

    argument, environment = json.loads(out.read_text())

    assert argument == "100% of it's"
    assert {name: environment[name] for name in odd} == odd
    assert environment["LAKEHOUSE_DATA_DIR"] == str(settings.data_dir)
