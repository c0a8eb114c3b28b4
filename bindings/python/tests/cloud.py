"""A cloud application in a process of its own: lines are typed, events come back."""

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, TypeVar

# Reached only when something is wrong.
DEADLINE = 120.0
Found = TypeVar("Found")
Event = Dict[str, Any]


class Log:
    """What happened, in order: to be waited for on any thread."""

    def __init__(self) -> None:
        self._seen: List[Any] = []
        self._grown = threading.Condition()

    def add(self, what: Any) -> None:
        with self._grown:
            self._seen.append(what)
            self._grown.notify_all()

    def seen(self) -> List[Any]:
        with self._grown:
            return list(self._seen)

    def wait(self, find: Callable[[List[Any]], Optional[Found]]) -> Found:
        """Looks at what was seen so far, and again whenever there is more, until something is found."""
        until = time.monotonic() + DEADLINE
        with self._grown:
            while True:
                found = find(self._seen)
                if found is not None:
                    return found
                left = until - time.monotonic()
                assert left > 0 and self._grown.wait(left), f"not seen among {self._seen}"

    def wait_for(self, *which: object) -> Any:
        """The first that is one of these."""
        return self.wait(lambda seen: next((one for one in seen if one in which), None))

    def wait_for_count(self, count: int) -> List[Any]:
        return self.wait(lambda seen: seen[:count] if len(seen) >= count else None)


class Cloud:
    """The example cloud application. ``finish`` ends it: all must have gone as the protocol has it."""

    def __init__(self, program: Path, directory: Path, *flags: str) -> None:
        directory.mkdir()
        command = [str(program), "--dir", str(directory), "--json", "--timeout", "60", *flags]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._events = Log()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.endpoint_file = directory / "endpoint.json"
        self.ca_file = directory / "ca.pem"
        self._events.wait(lambda events: next((one for one in events if one["event"] == "listening"), None))
        until = time.monotonic() + DEADLINE
        while not self.endpoint_file.exists():
            assert time.monotonic() < until, "no endpoint.json"
            time.sleep(0.01)
        details = json.loads(self.endpoint_file.read_text())
        self.url: str = details["url"]
        self.token: str = details["token"]
        self.host_name: str = details["hostName"]

    def settings(self) -> Dict[str, Any]:
        """For a connector that finds it and lets all its calls through."""
        return {"tls.caFile": self.ca_file, "dispatch.policy": "allow * /**", "connect.backoffBase": 20}

    def type_line(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def event(self, name: str, number: int = 1) -> Event:
        """The number-th event of this name, counted from 1."""
        return self._wait(lambda event: bool(event["event"] == name), number)

    def ask(self, line: str) -> Event:
        """Types a line that sends a call, such as ``GET /uri``, and waits for the answer."""
        uri = line.removeprefix("send ").split(" ")[1]

        def is_answer(event: Event) -> bool:
            return (event["event"], event.get("uri")) == ("response", uri)

        before = sum(map(is_answer, self._events.seen()))
        self.type_line(line)
        return self._wait(is_answer, before + 1)

    def finish(self) -> None:
        self.type_line("quit")
        status = self._process.wait(DEADLINE)
        self._reader.join()
        bad = [event for event in self._events.seen() if event["event"] in ("protocol-error", "failed")]
        assert (status, bad) == (0, [])

    def kill(self) -> None:
        """For the end of a test that may have failed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.add(json.loads(line))

    def _wait(self, fits: Callable[[Event], bool], number: int) -> Event:
        def find(events: List[Event]) -> Optional[Event]:
            fitting = [event for event in events if fits(event)]
            return fitting[number - 1] if len(fitting) >= number else None

        return self._events.wait(find)
