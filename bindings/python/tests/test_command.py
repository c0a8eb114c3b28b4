"""``python -m nbwss`` and the examples, as a person runs them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from cloud import Cloud
from conftest import Run
from test_values import TOKEN, details

EXAMPLES = Path(__file__).parent.parent / "examples"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(run: Run, library: Path) -> Command:
    return lambda *arguments, **further: run("-m", "nbwss", "--library", library, *arguments, **further)


def said(end: "subprocess.CompletedProcess[str]", status: int = 0) -> str:
    """What it said on the output for that; on the other one nothing."""
    silent = end.stderr if status == 0 else end.stdout
    assert (end.returncode, silent) == (status, ""), end
    return end.stdout + end.stderr


def test_an_operator_keeps_a_store(command: Command, tmp_path: Path) -> None:
    file, key = tmp_path / "details.json", tmp_path / "key"
    file.write_text(details("a.example.com", "b.example.com"))
    key.write_bytes(bytes(range(32)))
    options = ("--store", tmp_path / "store", "--key", key)

    shown = said(command("read", file))
    assert [info["host_name"] for info in json.loads(shown)] == ["a.example.com", "b.example.com"]
    assert TOKEN not in shown
    pin = "spki:" + "ab" * 32
    assert said(command(*options, "add", file, "--pin", pin)) == ""
    assert said(command(*options, "deactivate", "a.example.com")) == ""
    [a, b] = json.loads(said(command(*options, "list")))
    assert (a["active"], b["active"], a["pin"], a["state"]) == (False, True, pin, "DISCONNECTED")
    assert said(command(*options, "activate", "a.example.com")) == ""

    assert said(command(*options, "token", "A.example.com")) == TOKEN + "\n"
    assert said(command(*options, "set-token", "b.example.com", text="another\n")) == ""
    assert said(command(*options, "token", "b.example.com")) == "another\n"
    assert said(command(*options, "remove", "a.example.com")) == ""
    assert [info["host_name"] for info in json.loads(said(command(*options, "list")))] == ["b.example.com"]


def test_what_is_wrong_is_said(command: Command, tmp_path: Path) -> None:
    file, properties = tmp_path / "details.json", tmp_path / "nbwss.properties"
    file.write_text(details("a.example.com"))
    properties.write_text(f"endpoint.store.path={tmp_path / 'store'}\nits.key=1\n")
    assert "needs --store" in said(command("list"), 2)
    assert "NBWSS_NOT_FOUND" in said(command("--store", tmp_path / "store", "token", "none.example.com"), 1)
    assert "No such file" in said(command("--store", tmp_path / "store", "--key", tmp_path / "none", "list"), 1)
    words = said(command("--store", tmp_path / "no" / "store", "list"), 1)
    assert "NBWSS_STORE" in words and "Traceback" not in words
    end = command("--properties", properties, "list")
    assert (end.returncode, end.stdout) == (0, "[]\n") and end.stderr.endswith("unknown setting in line 2: its.key\n")


def test_an_operator_finds_out_why(command: Command, cloud: Cloud, tmp_path: Path) -> None:
    options = ("--store", tmp_path / "store")
    end = command("validate", cloud.url)
    assert end.returncode == 1 and "not trusted" in end.stdout.lower(), end
    assert "trusted" in said(command("--ca", cloud.ca_file, "validate", cloud.url))
    assert "trusted" in said(command("validate", cloud.url, "--trust", cloud.ca_file))
    assert said(command(*options, "add", cloud.endpoint_file, "--trust", cloud.ca_file)) == ""
    shown = said(command(*options, "diagnose", cloud.host_name, "--connect"))
    assert "CONNECT" in shown and cloud.token not in shown
    assert command("validate", "wss://127.0.0.1:1/").returncode == 1
    cloud.finish()


@pytest.mark.parametrize("name", ["host.py", "aio_host.py"])
def test_the_examples_serve_and_notify(name: str, cloud: Cloud, library: Path) -> None:
    arguments = [EXAMPLES / name, cloud.endpoint_file, cloud.ca_file, library]
    command = [sys.executable, "-X", "dev", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as host:
        cloud.event("connect")
        assert cloud.ask("GET /netbackup/admin/jobs")["statusCode"] == 200
        assert cloud.ask("DELETE /netbackup/admin/jobs")["statusCode"] == 403
        output, errors = host.communicate("\n")
    assert host.returncode == 0 and "pending=0, abandoned=0" in output, errors
    assert "Warning" not in errors and cloud.token not in output + errors
    cloud.finish()
