"""A service's address, patience with it, and what is said when it fails."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import SimpleNamespace

import httpx
import pytest
import tenacity

from rag.errors import IndexDamaged, ServiceDown, SettingError
from rag.service import Service, is_absent, patiently

SECRET = "hush-hush"
HERE = Service.at("http://127.0.0.1:8000", SECRET)


class Refused(Exception):
    """One of Chroma's own kinds of error, which carry a status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"says {SECRET}")
        self.status = status

    def code(self) -> int:
        return self.status


def answered(status: int) -> Exception:
    """What is raised where an answer is none of Chroma's."""
    request = httpx.Request("GET", HERE.url)
    response = httpx.Response(status, text=f"says {SECRET}", request=request)
    try:
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError:
            raise Exception(response.text)  # noqa: B904
    except Exception as error:
        return error
    raise AssertionError(status)


def unreached() -> Exception:
    """What Chroma's client raises where nothing listens."""
    try:
        try:
            raise httpx.ConnectError("refused")
        except httpx.ConnectError:
            raise ValueError("Could not connect")  # noqa: B904
    except ValueError as error:
        return error


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between the tries, which are not waited for."""
    slept: list[float] = []
    # In that module alone: other threads of the run sleep too.
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=slept.append))
    return slept


def failing(*errors: Exception) -> Callable[[], str]:
    """A call that raises each of the errors once and then succeeds."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


@pytest.mark.parametrize(
    ("address", "url", "tls"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", False),
        ("http://chroma/", "http://chroma:80", False),
        ("https://api.trychroma.com", "https://api.trychroma.com:443", True),
        ("http://[::1]:9", "http://[::1]:9", False),
    ],
)
def test_an_address_is_read(address: str, url: str, tls: bool) -> None:
    service = Service.at(address)
    assert (service.url, service.tls) == (url, tls)
    assert (service.tenant, service.database) == ("default_tenant", "default_database")
    assert service.headers == {}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "chroma:8000",
        "ftp://chroma",
        "http://",
        "http://h:port",
        "http://h:99999",
        f"http://user:{SECRET}@h:1",
        f"http://h:1?token={SECRET}",
        "http://h:1/path",
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(SettingError, match="RAG_CHROMA_URL") as caught:
        Service.at(address)
    assert SECRET not in str(caught.value)


def test_the_database_is_read() -> None:
    service = Service.at("http://h:1", database="acme/papers")
    assert (service.tenant, service.database) == ("acme", "papers")
    for wrong in ("papers", "/", "a/b/c", "a/"):
        with pytest.raises(SettingError, match="RAG_CHROMA_DATABASE"):
            Service.at("http://h:1", database=wrong)


def test_a_token_goes_where_it_is_looked_for_and_is_not_shown() -> None:
    assert HERE.headers == {"x-chroma-token": SECRET, "authorization": f"Bearer {SECRET}"}
    assert SECRET not in repr(HERE)


def test_a_token_does_not_travel_unencrypted() -> None:
    assert Service.at("https://elsewhere", SECRET).headers
    with pytest.raises(SettingError, match="unencrypted") as caught:
        Service.at("http://elsewhere:8000", SECRET)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "error", [unreached(), answered(503), Refused(429), Refused(500), httpx.ReadError("cut")]
)
def test_what_may_pass_is_tried_again(error: Exception, pauses: list[float]) -> None:
    assert patiently(failing(error, error), HERE) == "done"
    assert len(pauses) == 2


@pytest.mark.parametrize("error", [unreached(), answered(502), Refused(500)])
def test_patience_ends(error: Exception, pauses: list[float]) -> None:
    with pytest.raises(ServiceDown, match="does not answer") as caught:
        patiently(failing(*[error] * 99), HERE)
    assert 2 <= len(pauses) <= 9
    assert sum(pauses) < 30
    assert "http://127.0.0.1:8000" in caught.value.message
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("error", [answered(401), answered(403), Refused(401), Refused(403)])
def test_a_refused_token_is_named_at_once(error: Exception, pauses: list[float]) -> None:
    with pytest.raises(ServiceDown, match="refuses the token") as caught:
        patiently(failing(error), HERE)
    assert pauses == []
    assert "RAG_CHROMA_TOKEN" in caught.value.hint
    assert SECRET not in str(caught.value)


def test_what_is_gone_is_damage_and_not_waited_for(pauses: list[float]) -> None:
    with pytest.raises(IndexDamaged, match="does not have"):
        patiently(failing(Refused(404)), HERE)
    assert pauses == []
    assert is_absent(Refused(404))


def test_a_stranger_at_the_address_is_no_damage(pauses: list[float]) -> None:
    with pytest.raises(ServiceDown, match="no Chroma service"):
        patiently(failing(answered(404)), HERE)
    assert not is_absent(answered(404))


def test_a_wrong_request_is_damage(pauses: list[float]) -> None:
    with pytest.raises(IndexDamaged, match="status 400"):
        patiently(failing(Refused(400)), HERE)
    assert pauses == []


def test_who_waited_in_vain_does_not_wait_again(pauses: list[float]) -> None:
    with pytest.raises(ServiceDown):
        patiently(failing(httpx.ReadTimeout("slow")), HERE)
    assert pauses == []


def test_nobody_is_greeted_where_nothing_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        service = Service.at(f"http://127.0.0.1:{held.getsockname()[1]}")
        with pytest.raises(httpx.ConnectError):
            service.greet()
