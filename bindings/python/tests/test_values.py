"""Values on their way to C and back, errors, and what is never printed."""

import gc
import json
from pathlib import Path

import pytest

import nbwss
from nbwss import _layout
from nbwss.enums import Phase, Status

TOKEN = "a secret token"
PIN = "certificate:" + "ab" * 32


def endpoint(host_name: str) -> nbwss.Endpoint:
    return nbwss.Endpoint(host_name, f"wss://{host_name}/nbwss", "cloud", TOKEN, 3, nbwss.Tls(pin=PIN))


def details(*host_names: str) -> str:
    return json.dumps(
        [
            {"hostName": name, "url": f"wss://{name}/nbwss", "groupId": "g", "priority": 1, "token": TOKEN}
            for name in host_names
        ]
    )


def test_texts_stay_alive_as_long_as_the_struct() -> None:
    struct = _layout.to_c(endpoint("hôte.example.com"))
    gc.collect()
    junk = [bytes(size) for size in range(2000)]
    assert str(struct.host_name) == "hôte.example.com" and str(struct.tls.contents.pin) == PIN
    assert junk


def test_numbers_that_do_not_fit_are_refused() -> None:
    with nbwss.Connector() as connector:
        with pytest.raises(OverflowError, match="job_id"):
            connector.notify_job(nbwss.Job(job_id=2**63))
        with pytest.raises(OverflowError):
            connector.endpoint_set_priority("host", 2**31)
        with pytest.raises(OverflowError):
            connector.job_done(nbwss.Job(), 2**63)
    with pytest.raises(OverflowError):
        nbwss.Connector({"connect.timeout": 2**63})


def test_codes_of_a_later_library_are_taken() -> None:
    assert Status(12) is Status.TIMEOUT
    assert (Phase(99).name, Phase(99)) == ("UNKNOWN_99", 99)
    with pytest.raises(ValueError):
        Phase("TCP")  # type: ignore[arg-type]


def test_errors_have_a_status_and_the_words_of_the_library() -> None:
    with pytest.raises(nbwss.Error, match="^NBWSS_UNKNOWN_KEY: .*no.such.key") as raised:
        nbwss.Connector({"no.such.key": "1"})
    assert raised.value.status == nbwss.Status.UNKNOWN_KEY
    for key, value in [("connect.timeout", True), ("connect.timeout", 0), ("dispatch.inline", 2)]:
        with pytest.raises(nbwss.Error) as raised:
            nbwss.Connector({key: value})
        assert raised.value.status == nbwss.Status.INVALID_VALUE


def test_settings_come_from_a_file_and_from_arguments(tmp_path: Path) -> None:
    properties = tmp_path / "nbwss.properties"
    properties.write_text("# ours\nkeepAlive.scheduledRate=20\nits.key=1\nconnect.timeout=never\n")
    with pytest.raises(nbwss.Error, match="line 4"):
        nbwss.Connector(properties=properties)
    properties.write_text("# ours\nkeepAlive.scheduledRate=20\nits.key=1\n")
    store = tmp_path / "endpoints.db"
    with nbwss.Connector({"endpoint.store.path": store, "log.level": "off"}, properties=properties) as connector:
        assert connector.unknown_settings == ["line 3: its.key"]
        assert store.exists()


def test_secrets_are_not_printed() -> None:
    response = nbwss.Response(201, {"x-token": TOKEN}, TOKEN)
    with nbwss.Endpoints.read_json(details("a.example.com")) as endpoints:
        for shown in (endpoint("host"), response, endpoints, endpoints[0]):
            assert TOKEN not in repr(shown) and TOKEN not in str(shown)
        assert endpoints.token(0) == TOKEN
    with nbwss.Connector({"proxy.url": "http://p:1", "proxy.user": "u", "proxy.password": TOKEN}) as connector:
        assert TOKEN not in repr(connector) and TOKEN not in str(vars(connector))


def test_lists_are_sequences_and_are_freed_once() -> None:
    endpoints = nbwss.Endpoints.read_json(details("a.example.com", "b.example.com"))
    assert [info.host_name for info in endpoints] == ["a.example.com", "b.example.com"]
    assert (len(endpoints), endpoints[-1].priority, len(endpoints[:1])) == (2, 1, 1)
    with pytest.raises(IndexError):
        endpoints[2]
    with pytest.raises(nbwss.Error, match="NOT_FOUND"):
        endpoints.token(2)
    endpoints.close()
    endpoints.close()
    assert endpoints[0].host_name == "a.example.com"
    with pytest.raises(nbwss.Error, match="BAD_HANDLE"):
        endpoints.token(0)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(nbwss.Error, match="none.json") as raised:
        nbwss.Endpoints.read_file(tmp_path / "none.json")
    assert raised.value.status == nbwss.Status.IO


def test_the_library_is_loaded_once(library: Path) -> None:
    assert nbwss.load() is nbwss.load()
    with pytest.raises(RuntimeError):
        nbwss.load(library)
