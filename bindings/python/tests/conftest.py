"""What the tests need is named on the command line: the library, the cloud application and the C header."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
from cloud import DEADLINE, Cloud

import nbwss

StartCloud = Callable[..., Cloud]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    for name in ("--library", "--cloud-app", "--header"):
        parser.addoption(name, type=Path)


def pytest_configure(config: pytest.Config) -> None:
    nbwss.load(config.getoption("--library"))


@pytest.fixture(scope="session")
def library(pytestconfig: pytest.Config) -> Path:
    return Path(pytestconfig.getoption("--library"))


@pytest.fixture(scope="session")
def header(pytestconfig: pytest.Config) -> Path:
    return Path(pytestconfig.getoption("--header"))


@pytest.fixture
def start_cloud(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[StartCloud]:
    """Starts a cloud application with these flags."""
    started: List[Cloud] = []

    def start(*flags: str) -> Cloud:
        program = Path(pytestconfig.getoption("--cloud-app"))
        started.append(Cloud(program, tmp_path / f"cloud-{len(started)}", *flags))
        return started[-1]

    yield start
    for cloud in started:
        cloud.kill()


@pytest.fixture
def cloud(start_cloud: StartCloud) -> Cloud:
    return start_cloud()


@pytest.fixture
def run(library: Path) -> Run:
    """Runs Python code, or a command of arguments, in a process of its own."""

    def run(*arguments: object, text: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-X", "dev", *map(str, arguments)]
        environment = {**os.environ, **variables}
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=DEADLINE, env=environment)

    return run
