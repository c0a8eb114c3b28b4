"""Calls, notifications and callbacks, against a cloud application."""

import dataclasses
import gc
import json
import socket
import threading
import weakref
from typing import Any, Callable, Dict, List, Optional

import pytest
from cloud import DEADLINE, Cloud, Log
from conftest import StartCloud

import nbwss
from nbwss import AuditStep, Cause, Connector, DeliveryOutcome, EventKind, Image, Job, LogLevel, Request, Response
from nbwss import Status


def connected(cloud: Cloud, settings: "Optional[Dict[str, Any]]" = None, **callbacks: Any) -> Connector:
    """A connector with a session."""
    events = Log()
    connector = Connector({**cloud.settings(), **(settings or {})}, on_event=events.add, **callbacks)
    connector.endpoint_add_file(cloud.endpoint_file)
    connector.start()
    events.wait(lambda seen: [event for event in seen if event.kind == EventKind.ESTABLISHED] or None)
    return connector


def is_answer(answer: Dict[str, Any], status: int, words: str) -> bool:
    return answer["statusCode"] == status and words in answer["body"]


def test_calls_are_answered_with_what_the_handler_gives_back(cloud: Cloud) -> None:
    seen: List[Request] = []

    def handle(request: Request) -> Response:
        seen.append(request)
        if request.uri == "/bytes":
            return Response(body=b"\xff\xfe")
        if request.method == "DELETE":
            return Response(204)
        echo = {"uri": request.uri, "body": None if request.body is None else request.body.decode()}
        return Response(201, {"Content-Type": "application/json", "x-more": "ä"}, json.dumps(echo))

    with connected(cloud, on_request=handle) as connector:
        made = cloud.ask('POST /netbackup/jobs?page=1 {"a":"ä"}')
        assert made["statusCode"] == 201 and made["headers"] == {"content-type": "application/json", "x-more": "ä"}
        assert json.loads(made["body"]) == {"uri": "/netbackup/jobs?page=1", "body": '{"a":"ä"}'}
        assert cloud.ask("GET /bytes")["body"] == "//4="
        assert cloud.ask("DELETE /one")["body"] is None
        first = seen[0]
        assert (first.method, first.id) == ("POST", made["id"])
        assert (first.host_name, first.group_id) == (cloud.host_name, "cloud")
        assert first.header("CONTENT-TYPE") == first.headers["Content-Type"] and first.header("none") is None
        assert repr(first) == f"<Request POST /netbackup/jobs of {cloud.host_name}>"
        assert seen[1].body is None
        assert connector.stats().calls_allowed == 3
        connector.set_policy("deny * /**")
        assert cloud.ask("GET /bytes?again")["statusCode"] == 403
    cloud.finish()


def test_a_handler_that_fails_is_answered_for(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    def handle(request: Request) -> Optional[Response]:
        if request.uri == "/raises":
            raise ValueError("that is bad")
        if request.uri == "/exits":
            raise SystemExit
        if request.uri == "/bad-status":
            return Response(1)
        if request.uri == "/bad-header":
            return Response(headers={"a b": "c"})
        if request.uri == "/huge-status":
            return Response(2**40)
        if request.uri == "/answered":
            request.respond(Response(202))
            raise ValueError("after the answer")
        if request.uri == "/fails":
            request.fail(409, "there is one")
        if request.uri == "/wrong-type":
            return "a text"  # type: ignore[return-value]
        return None  # and lets go of it

    with connected(cloud, on_request=handle):
        for uri in ("/raises", "/exits", "/bad-status", "/bad-header", "/huge-status", "/wrong-type"):
            answer = cloud.ask(f"GET {uri}")
            assert is_answer(answer, 500, "" if uri.startswith("/bad") else "the host failed"), answer
        assert cloud.ask("GET /answered")["statusCode"] == 202
        assert is_answer(cloud.ask("GET /fails"), 409, '{"errorCode":409,"errorMessage":"there is one"}')
        assert is_answer(cloud.ask("GET /forgotten"), 500, "let go of")
    assert caplog.text.count("the request callback failed") == 7 and "that is bad" in caplog.text
    assert "without an answer" in caplog.text
    cloud.finish()


def test_a_request_is_answered_later_once_on_any_thread(cloud: Cloud) -> None:
    waiting = Log()
    with connected(cloud, on_request=waiting.add):
        cloud.type_line("send GET /later")
        [request] = waiting.wait_for_count(1)
        assert request.is_held() and request.is_wanted()
        threading.Thread(target=request.respond, args=(Response(body="done"),)).start()
        assert cloud.event("response")["body"] == "done"
        with pytest.raises(nbwss.Error) as raised:
            request.respond(Response())
        assert raised.value.status == Status.BAD_HANDLE
        assert not request.is_held() and request.uri == "/later"
    cloud.finish()


def test_who_is_too_late_is_told(cloud: Cloud) -> None:
    waiting, cancelled = Log(), Log()
    with connected(cloud, {"dispatch.timeout": 50}, on_request=waiting.add, on_cancel=cancelled.add) as connector:
        assert cloud.ask("GET /late")["statusCode"] == 504
        assert cancelled.wait_for_count(1) == waiting.wait_for_count(1)
        request = waiting.seen()[0]
        assert not request.is_wanted()
        with pytest.raises(nbwss.Error) as raised:
            request.respond(Response())
        assert raised.value.status == Status.EXPIRED and not request.is_held()
        assert connector.stats().calls_expired == 1
    cloud.finish()


def test_notifications_are_reported_and_told_on(cloud: Cloud) -> None:
    reports, audit = Log(), Log()
    with connected(cloud, on_delivery=reports.add, on_audit=audit.add) as connector:
        job = Job(client_name="c.example.com", policy_name="p", job_type="BACKUP", job_id=144)
        sequences = [connector.job_queued(job), connector.job_active(job)]
        assert job.state == "ACTIVE" and job.start_time > 0 and job.parent_job_id == 144
        sequences += [connector.job_done(job, 13), connector.notify_job(dataclasses.replace(job, job_id=145))]
        assert (job.state, job.status) == ("DONE", 13)
        image = Image("", "c.example.com", operation_id="CREATE", backup_id="c_1", backup_time=1, created_time=2)
        sequences.append(connector.notify_image(image))
        json_text = '{"notificationType":"INFO","object":"JOB","data":[{"jobId":146}]}'
        sequences.append(connector.notify_json(json_text))
        drained = connector.drain(DEADLINE)
        assert (drained.delivered, drained.pending, drained.abandoned) == (6, 0, 0)
        assert [report.sequence for report in reports.seen()] == sequences
        assert all(report.outcome == DeliveryOutcome.DELIVERED for report in reports.seen())
        assert connector.group_stats("cloud").delivered == 6
        before = Job(client_name="c")
        with pytest.raises(nbwss.Error, match="jobId") as raised:
            connector.job_queued(before)
        assert raised.value.status == Status.INVALID_NOTIFICATION and before == Job(client_name="c")
        assert cloud.ask("GET /x")["statusCode"] == 501
        arrival, end = audit.wait_for_count(2)
        assert (arrival.step, end.step, end.status_code, end.path) == (AuditStep.ALLOWED, AuditStep.ENDED, 501, "/x")
    cloud.finish()


def test_what_takes_too_long_is_an_error(start_cloud: StartCloud) -> None:
    cloud = start_cloud("--no-acks")
    with connected(cloud) as connector:
        connector.notify_job(Job(client_name="c", job_type="BACKUP", state="DONE", job_id=1, parent_job_id=1))
        with pytest.raises(nbwss.Error) as raised:
            connector.drain(0.6)  # more than one piece
        assert raised.value.status == Status.TIMEOUT
        with pytest.raises(nbwss.Error) as raised:
            connector.wait(1)
        assert raised.value.status == Status.ILLEGAL_STATE
        connector.stop()
        connector.wait()


def test_log_lines_go_where_the_host_logs(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "nbwss")
    lines = Log()

    def on_log(line: nbwss.Log) -> None:
        lines.add(line)
        nbwss.to_logging(line)

    with connected(cloud, {"log.level": "debug"}, on_log=on_log):
        pass
    levels = {LogLevel.INFO: "INFO", LogLevel.DEBUG: "DEBUG"}
    told = [(levels[line.level], line.text) for line in lines.seen()]
    assert told == [(record.levelname, record.message) for record in caplog.records if record.name == "nbwss"]
    assert {level for level, _ in told} == {"INFO", "DEBUG"} and cloud.token not in caplog.text


def test_callbacks_that_fail_go_to_the_log(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    def fails(_what: object) -> None:
        raise ValueError("a bad callback")

    with connected(cloud, on_delivery=fails, on_audit=fails, on_log=fails) as connector:
        connector.notify_job(Job(client_name="c", job_type="BACKUP", state="DONE", job_id=1, parent_job_id=1))
        assert connector.drain(DEADLINE).delivered == 1
        assert cloud.ask("GET /x")["statusCode"] == 501
    for kind in ("delivery", "audit", "log"):
        assert f"the {kind} callback failed" in caplog.text
    cloud.finish()


def test_the_host_may_make_the_connections(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    answers: List[Callable[[nbwss.Dial], object]] = [
        lambda dial: (_ for _ in ()).throw(ConnectionRefusedError(111, "not now")),
        lambda dial: "no socket",
        lambda dial: socket.create_connection((dial.host, dial.port)),
    ]
    events, dialled = Log(), Log()

    def on_dial(dial: nbwss.Dial) -> object:
        dialled.add(dial)
        return answers[min(len(dialled.seen()), len(answers)) - 1](dial)

    with Connector(cloud.settings(), on_dial=on_dial, on_event=events.add) as connector:
        connector.endpoint_add_file(cloud.endpoint_file)
        connector.start()
        events.wait(lambda seen: [event for event in seen if event.kind == EventKind.ESTABLISHED] or None)
    failed = [event for event in events.seen() if event.kind == EventKind.CONNECT_FAILED]
    assert [event.cause for event in failed] == [Cause.DIAL, Cause.DIAL]
    assert "111" in failed[0].reason and caplog.text.count("the dial callback failed") == 2
    assert (dialled.seen()[0].host, dialled.seen()[0].timeout_ms) == ("localhost", 10000)
    cloud.finish()


def test_callbacks_live_as_long_as_the_library_may_call_them(cloud: Cloud) -> None:
    class Told:
        def __init__(self) -> None:
            self.events, self.released_count = Log(), 0

        def __call__(self, event: nbwss.Event) -> None:
            self.events.add(event)

        def released(self) -> None:
            self.released_count += 1

    told = Told()
    connector = Connector(cloud.settings(), on_event=told, on_request=lambda request: Response())
    gc.collect()
    connector.endpoint_add_file(cloud.endpoint_file)
    connector.start()
    told.events.wait_for_count(2)
    assert cloud.ask("GET /x")["statusCode"] == 200
    assert told.released_count == 0
    connector.destroy()
    assert told.released_count == 1
    connector.destroy()
    with pytest.raises(nbwss.Error) as raised:
        connector.start()
    assert raised.value.status == Status.BAD_HANDLE and told.released_count == 1
    gone = weakref.ref(told)
    del told, connector
    gc.collect()
    assert gone() is None
    cloud.finish()


def test_options_that_are_refused_let_go_of_callbacks() -> None:
    class Told:
        def __call__(self, _event: nbwss.Event) -> None:
            pass

    told = Told()
    gone = weakref.ref(told)
    with pytest.raises(nbwss.Error):
        Connector({"tls.caFile": "/nonexistent/ca.pem"}, on_event=told)
    del told
    gc.collect()
    assert gone() is None
