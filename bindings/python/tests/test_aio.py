"""The connector of an asyncio host: everything on the loop's thread."""

import asyncio
import threading
import time
from typing import Any, Awaitable, Callable, Dict, List, Optional, TypeVar

import pytest
from cloud import DEADLINE, Cloud
from conftest import StartCloud

import nbwss
from nbwss import Event, EventKind, Job, Request, Response, Status
from nbwss.aio import AsyncConnector, Stream

Outcome = TypeVar("Outcome")
DONE = Job(client_name="c", job_type="BACKUP", state="DONE", job_id=1, parent_job_id=1)


def run(main: Callable[[], Awaitable[Outcome]]) -> Outcome:
    async def bounded() -> Outcome:
        return await asyncio.wait_for(main(), DEADLINE)

    return asyncio.run(bounded(), debug=True)


async def ask(cloud: Cloud, line: str) -> Dict[str, Any]:
    return await asyncio.to_thread(cloud.ask, line)


async def established(events: "Stream[Event]") -> None:
    async for event in events:
        if event.kind == EventKind.ESTABLISHED:
            return


def begin(connector: AsyncConnector, cloud: Cloud) -> None:
    connector.endpoint_add_file(cloud.endpoint_file)
    connector.start()


def test_handlers_await_and_events_are_iterated_over(cloud: Cloud) -> None:
    threads = set()

    def here() -> None:
        threads.add(threading.current_thread())

    async def handle(request: Request) -> Optional[Response]:
        here()
        await asyncio.sleep(0.001)
        return Response(body=request.uri)

    async def main() -> List[EventKind]:
        kinds, events = [], Stream[Event]()

        async def watch() -> None:
            async for event in events:
                kinds.append(event.kind)

        async with AsyncConnector(
            cloud.settings(),
            on_request=handle,
            on_event=events,
            on_delivery=lambda report: here(),
            on_log=lambda line: here(),
        ) as connector:
            watching = asyncio.create_task(watch())
            begin(connector, cloud)
            connector.notify_job(DONE)
            drained = await connector.drain(DEADLINE)
            assert (drained.delivered, drained.pending) == (1, 0)
            answers = [await ask(cloud, f"GET /{number}") for number in range(5)]
            assert [answer["body"] for answer in answers] == [f"/{number}" for number in range(5)]
            seen = await connector.endpoint_validate(cloud.url)
            assert seen.result.trusted
            assert (await connector.endpoint_diagnose(cloud.host_name)).result.ok
            with pytest.raises(nbwss.Error):
                await connector.endpoint_add_url("https://127.0.0.1:1/")
            with pytest.raises(nbwss.Error):
                await connector.endpoints_fetch("https://127.0.0.1:1/")
        await watching  # it ends by itself
        return kinds

    kinds = run(main)
    assert kinds == [EventKind.CONNECTING, EventKind.ESTABLISHED, EventKind.DISCONNECTED]
    assert threads == {threading.main_thread()}
    cloud.finish()


def test_a_stream_holds_what_is_not_read_yet() -> None:
    async def main() -> None:
        stream = Stream[int]()
        for number in range(3):
            stream(number)
        reading = asyncio.create_task(_all(stream))
        await asyncio.sleep(0)
        stream(3)
        stream.released()
        assert await reading == [0, 1, 2, 3]
        assert await _all(stream) == []

    async def _all(stream: "Stream[int]") -> List[int]:
        return [number async for number in stream]

    run(main)


def test_many_calls_are_under_way_at_once(cloud: Cloud) -> None:
    async def main() -> None:
        together, gate = 0, asyncio.Event()

        async def handle(_request: Request) -> Response:
            nonlocal together
            together += 1
            if together == 20:
                gate.set()
            await gate.wait()
            return Response(204)

        events = Stream[Event]()
        async with AsyncConnector(cloud.settings(), on_request=handle, on_event=events) as connector:
            begin(connector, cloud)
            await established(events)
            await asyncio.to_thread(cloud.type_line, "flood 20 GET /all")
            await asyncio.to_thread(cloud.event, "response", 20)

    run(main)
    cloud.finish()


def test_a_handler_that_fails_is_answered_for(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(request: Request) -> Optional[Response]:
        await asyncio.sleep(0)
        if request.uri == "/raises":
            raise ValueError("that is bad")
        return Response(1) if request.uri == "/bad" else None

    def synchronous(request: Request) -> Any:
        if request.uri == "/now":
            raise ValueError("at once")
        return handle(request)

    async def main() -> None:
        async with AsyncConnector(cloud.settings(), on_request=synchronous) as connector:
            begin(connector, cloud)
            await asyncio.to_thread(cloud.event, "connect")
            for uri in ("/now", "/raises", "/bad", "/forgotten"):
                assert (await ask(cloud, f"GET {uri}"))["statusCode"] == 500, uri

    run(main)
    assert caplog.text.count("the request callback failed") == 3 and "without an answer" in caplog.text
    cloud.finish()


def test_what_is_awaited_at_the_end_is_cancelled_and_answered(cloud: Cloud) -> None:
    ends: List[str] = []

    async def main() -> None:
        begun = asyncio.Event()

        async def handle(_request: Request) -> Response:
            begun.set()
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise
            return Response()

        async with AsyncConnector(cloud.settings(), on_request=handle) as connector:
            begin(connector, cloud)
            await asyncio.to_thread(cloud.event, "connect")
            cloud.type_line("send GET /slow")
            await begun.wait()

    run(main)
    assert ends == ["cancelled"]
    answer = cloud.event("response")
    assert answer["statusCode"] == 503 and "shutting down" in answer["body"]
    assert cloud.event("closed")["code"] == 1000
    cloud.finish()


def test_what_takes_too_long_is_an_error_and_the_loop_goes_on(start_cloud: StartCloud) -> None:
    cloud = start_cloud("--no-acks")

    async def main() -> None:
        async with AsyncConnector(cloud.settings()) as connector:
            begin(connector, cloud)
            connector.notify_job(DONE)
            beats = 0

            async def beat() -> None:
                nonlocal beats
                while True:
                    beats += 1
                    await asyncio.sleep(0.01)

            beating = asyncio.create_task(beat())
            started = time.monotonic()
            with pytest.raises(nbwss.Error) as raised:
                await connector.drain(0.6)
            assert raised.value.status == Status.TIMEOUT and time.monotonic() - started >= 0.6
            assert beats > 10
            beating.cancel()
            connector.stop()
            await asyncio.gather(connector.wait(), connector.wait(DEADLINE))

    run(main)


def test_an_exception_inside_ends_the_connector(cloud: Cloud) -> None:
    async def main() -> None:
        async with AsyncConnector(cloud.settings()) as connector:
            begin(connector, cloud)
            await asyncio.to_thread(cloud.event, "connect")
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        run(main)
    assert cloud.event("closed")["code"] == 1000
    cloud.finish()


def test_a_connector_with_threads_awaits_nothing(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(_request: Request) -> Response:
        return Response()

    with nbwss.Connector(cloud.settings(), on_request=handle) as connector:
        connector.endpoint_add_file(cloud.endpoint_file)
        connector.start()
        cloud.event("connect")
        assert cloud.ask("GET /x")["statusCode"] == 500
    assert "only an AsyncConnector awaits answers" in caplog.text
    cloud.finish()


def test_a_host_may_poll_by_itself(cloud: Cloud) -> None:
    threads, events = set(), []

    def on_event(event: Event) -> None:
        threads.add(threading.current_thread())
        events.append(event.kind)

    settings = {**cloud.settings(), "callbacks.poll": True}
    with nbwss.Connector(settings, on_event=on_event) as connector:
        assert connector.poll_fd() >= 0 and connector.poll(0) == 0
        connector.endpoint_add_file(cloud.endpoint_file)
        connector.start()
        while EventKind.ESTABLISHED not in events:
            assert connector.poll() > 0
    assert threads == {threading.current_thread()}
    with nbwss.Connector() as connector:
        with pytest.raises(nbwss.Error) as raised:
            connector.poll()
        assert raised.value.status == Status.ILLEGAL_STATE
        with pytest.raises(nbwss.Error) as raised:
            connector.poll_fd()
        assert raised.value.status == Status.ILLEGAL_STATE
    cloud.finish()
