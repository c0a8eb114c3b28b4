"""Endpoints: read, added, changed, stored, validated, diagnosed, removed."""

import http.server
import ssl
import threading
from pathlib import Path
from typing import Iterator, List

import pytest
from cloud import Cloud, Log
from test_values import PIN, TOKEN, details, endpoint

import nbwss
from nbwss import Cause, ConnectionState, Connector, Endpoints, EventKind, Phase, Status, Tls

KEY = bytes(range(32))


def hosts(connector: Connector) -> List[str]:
    with connector.endpoint_list() as endpoints:
        return [info.host_name for info in endpoints]


def test_endpoints_are_added_in_every_way_and_changed(tmp_path: Path) -> None:
    file = tmp_path / "details.json"
    file.write_text(details("c.example.com"))
    with Connector() as connector:
        connector.endpoint_add(endpoint("a.example.com"))
        connector.endpoint_add_json(details("b.example.com"))
        connector.endpoint_add_file(file)
        connector.endpoints_add(Endpoints.read_json(details("d.example.com")), Tls(pin=PIN))
        connector.endpoints_add(Endpoints.read_json(details("e.example.com")))
        assert hosts(connector) == [f"{letter}.example.com" for letter in "abcde"]
        first = connector.endpoint_get("A.EXAMPLE.COM")
        assert (first.group_id, first.priority, first.pin, first.active) == ("cloud", 3, PIN, True)
        assert first.state == ConnectionState.DISCONNECTED
        with pytest.raises(nbwss.Error) as raised:
            connector.endpoint_add(endpoint("a.example.com"))
        assert raised.value.status == Status.DUPLICATE_ENDPOINT

        connector.endpoint_deactivate("a.example.com")
        assert not connector.endpoint_get("a.example.com").active
        connector.endpoint_activate("a.example.com")
        assert connector.endpoint_get("a.example.com").active
        connector.endpoint_set_priority("a.example.com", 7)
        connector.endpoint_set_tls("a.example.com", None)
        connector.endpoint_set_token("a.example.com", "another")
        connector.endpoint_reconnect("a.example.com")
        changed = connector.endpoint_get("a.example.com")
        assert (changed.priority, changed.pin) == (7, "")
        with connector.endpoint_list() as endpoints:
            assert [endpoints.token(0), endpoints.token(1)] == ["another", TOKEN]

        connector.group_stop("g")
        connector.group_start("g")
        connector.endpoint_remove("a.example.com")
        assert "a.example.com" not in hosts(connector)
        with pytest.raises(nbwss.Error) as raised:
            connector.endpoint_get("a.example.com")
        assert raised.value.status == Status.NOT_FOUND
        with pytest.raises(nbwss.Error) as raised:
            connector.group_forget("g")
        assert raised.value.status == Status.ILLEGAL_STATE


class Details(http.server.BaseHTTPRequestHandler):
    """Hands out endpoint details."""

    def do_GET(self) -> None:
        body = details("fetched.example.com").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def details_url(cloud: Cloud) -> Iterator[str]:
    """An https:// URL with endpoint details, behind the certificate of the cloud application."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cloud.ca_file.with_name("server.pem"), cloud.ca_file.with_name("server.key"))
    with http.server.HTTPServer(("127.0.0.1", 0), Details) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}/details"
        server.shutdown()
        thread.join()


def test_details_are_fetched_from_a_url(cloud: Cloud, details_url: str) -> None:
    with Connector({"tls.caFile": cloud.ca_file}) as connector:
        with connector.endpoints_fetch(details_url) as endpoints:
            assert ([info.host_name for info in endpoints], endpoints.token(0)) == (["fetched.example.com"], TOKEN)
        assert hosts(connector) == []
        connector.endpoint_add_url(details_url)
        assert hosts(connector) == ["fetched.example.com"]
    with Connector() as connector:
        with pytest.raises(nbwss.Error) as raised:
            connector.endpoint_add_url(details_url)
        assert raised.value.status == Status.FETCH_FAILED


def test_a_store_keeps_endpoints_sealed_with_a_key(tmp_path: Path) -> None:
    settings = {"endpoint.store.path": tmp_path / "store"}
    with Connector(settings, store_key=KEY) as connector:
        connector.endpoint_add(endpoint("a.example.com"))
        with pytest.raises(nbwss.Error) as raised:
            Connector(settings, store_key=KEY)
        assert raised.value.status == Status.STORE_IN_USE
    with Connector(settings, store_key=lambda: KEY) as connector:
        assert hosts(connector) == ["a.example.com"]
    for wrong, status in [(bytes(32), Status.STORE_KEY), (None, Status.STORE_KEY), (b"short", Status.INVALID_ARGUMENT)]:
        with pytest.raises(nbwss.Error) as raised:
            Connector(settings, store_key=wrong)
        assert raised.value.status == status
    assert TOKEN.encode() not in (tmp_path / "store").read_bytes()


def test_a_key_that_cannot_be_given_is_told_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(nbwss.Error):
        Connector({"endpoint.store.path": tmp_path / "store"}, store_key=lambda: b"short")
    assert "the store_key callback failed" in caplog.text and "5 bytes" in caplog.text


def test_what_is_validated_can_be_accepted(cloud: Cloud) -> None:
    events = Log()
    with Connector(on_event=events.add) as connector:
        seen = connector.endpoint_validate(cloud.url)
        assert seen.result.ok and not seen.result.trusted and seen.result.distrust
        assert [step.phase for step in seen.steps] == [Phase.RESOLVE, Phase.TCP, Phase.TLS]
        own, issuer = seen.certificates
        assert (own.is_ca, issuer.is_ca, issuer.pem) == (False, True, seen.result.ca_to_accept)
        assert own.sha256 in seen.text and TOKEN not in seen.text
        trusting = Tls(ca_pem=seen.result.ca_to_accept, pin=f"spki:{own.spki_sha256}")
        assert connector.endpoint_validate(cloud.url, trusting).result.trusted

        with Endpoints.read_file(cloud.endpoint_file) as endpoints:
            connector.endpoints_add(endpoints, trusting)
        connector.start()
        events.wait(lambda seen: [event for event in seen if event.kind == EventKind.ESTABLISHED] or None)
        diagnosis = connector.endpoint_diagnose(cloud.host_name, connect=True)
        assert diagnosis.result.ok and diagnosis.steps[-1].phase == Phase.CONNECT
        assert cloud.token not in diagnosis.text
        assert connector.endpoint_get(cloud.host_name).state == ConnectionState.CONNECTED
        assert connector.health().groups_connected == connector.health().groups == 1
    cloud.finish()


def test_who_cannot_be_reached_is_no_error_but_told() -> None:
    with Connector() as connector:
        seen = connector.endpoint_validate("wss://127.0.0.1:1/nbwss")
        assert (seen.result.ok, seen.result.cause, seen.certificates) == (False, Cause.TCP, ())
        assert seen.steps[-1].failure
