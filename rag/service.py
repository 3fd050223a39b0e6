"""A Chroma service on the network: its address, patience with it, its failures in a sentence.

Knows nothing of Chroma's client but what its exceptions carry: `code()`, an HTTP
status, on its own kinds, and an exception of httpx as the context of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx
import tenacity

from rag.errors import IndexDamaged, IndexFailure, ServiceDown, SettingError

Result = TypeVar("Result")

_PORTS = {"http": 80, "https": 443}
_HERE = {"localhost", "127.0.0.1", "::1"}
_REFUSED = {401, 403}
_ABSENT = 404
_PASSING = {429, 500, 502, 503, 504}
_TRIES, _LONGEST = 5, 30.0
_CONNECT, _ANSWER = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """Where a Chroma service listens, and as whom it is asked; `url` is safe to show."""

    url: str
    host: str
    port: int
    tls: bool
    tenant: str
    database: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def at(cls, address: str, token: str = "", database: str = "") -> Service:
        """Return the service at `address`, http://HOST:PORT or https://HOST:PORT.

        `database` is TENANT/DATABASE, "" for Chroma's default ones. Raises
        `SettingError` for an address that is none, that carries a secret itself,
        or over which `token` would travel unencrypted to another machine.
        """
        try:
            parts = urlsplit(address)
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise _no_address() from None
        host = parts.hostname or ""
        if not host or parts.username or parts.password or parts.query or parts.fragment:
            raise _no_address()
        if parts.path.strip("/"):
            raise _no_address()
        tls = parts.scheme == "https"
        if token and not tls and host not in _HERE:
            raise SettingError(
                "RAG_CHROMA_TOKEN would travel unencrypted to another machine.",
                "Use an address with https:// in RAG_CHROMA_URL, or unset the token.",
            )
        tenant, name = _tenant_and_database(database)
        shown = f"[{host}]" if ":" in host else host
        url = f"{parts.scheme}://{shown}:{port}"
        return cls(url, host, port, tls, tenant, name, _headers(token))

    @property
    def timeout(self) -> httpx.Timeout:
        """How long it may take to connect and to answer."""
        return httpx.Timeout(_ANSWER, connect=_CONNECT)

    def greet(self) -> None:
        """Return when a Chroma service answers here and has the database.

        Raises `ServiceDown` when it has not, and httpx's errors when none answers.
        """
        with httpx.Client(headers=self.headers, timeout=_CONNECT) as client:
            client.get(f"{self.url}/api/v2/heartbeat").raise_for_status()
            place = f"tenants/{quote(self.tenant, '')}/databases/{quote(self.database, '')}"
            answer = client.get(f"{self.url}/api/v2/{place}")
            if answer.status_code == _ABSENT:
                raise ServiceDown(
                    f"The Chroma service at {self.url} has no database "
                    f"'{self.tenant}/{self.database}'.",
                    "Make it there, or correct RAG_CHROMA_DATABASE.",
                )
            answer.raise_for_status()


def patiently(call: Callable[[], Result], service: Service) -> Result:
    """Return what `call` returns, tried again a few times while the failure may pass.

    Between two tries it waits, from 0.2 seconds and doubling, with some chance in
    it so that many readers do not return at once. `call` must be one that does no
    harm when done twice. Raises `ServiceDown`, or `IndexDamaged` when the
    service has lost what it was asked for.
    """
    tries = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=5.0, jitter=0.2),
        stop=tenacity.stop_after_attempt(_TRIES) | tenacity.stop_after_delay(_LONGEST),
        reraise=True,
    )
    try:
        return tries(call)
    except IndexFailure:
        raise
    except Exception as error:  # Chroma raises its own kinds, httpx's and bare ones
        raise _failure(error, service) from error


def is_absent(error: BaseException) -> bool:
    """Return whether a Chroma service says that it does not have what was asked for."""
    stranger = any(isinstance(cause, httpx.HTTPStatusError) for cause in _chain(error))
    return _status(error) == _ABSENT and not stranger


def _no_address() -> SettingError:
    return SettingError(
        "RAG_CHROMA_URL is no address of a Chroma service.",
        "Write it as http://HOST:PORT or https://HOST:PORT; a token goes into RAG_CHROMA_TOKEN.",
    )


def _tenant_and_database(text: str) -> tuple[str, str]:
    tenant, slash, database = (text or "default_tenant/default_database").partition("/")
    if not (tenant and slash and database) or "/" in database:
        raise SettingError(
            f"RAG_CHROMA_DATABASE is '{text}', not TENANT/DATABASE.", "Correct it or unset it."
        )
    return tenant, database


def _headers(token: str) -> dict[str, str]:
    """Return the token where Chroma Cloud looks for it, and where a proxy does."""
    return {"x-chroma-token": token, "authorization": f"Bearer {token}"} if token else {}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and those while handling which it was raised."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status behind an exception, None where there was no answer."""
    for cause in _chain(error):
        if isinstance(cause, httpx.HTTPStatusError):
            return cause.response.status_code
        code = getattr(cause, "code", None)
        if callable(code):
            return int(code())
    return None


def _unreached(error: BaseException) -> bool:
    return any(isinstance(cause, httpx.TransportError) for cause in _chain(error))


def _may_pass(error: BaseException) -> bool:
    # Who has waited for an answer in vain would wait as long again.
    if any(isinstance(cause, httpx.ReadTimeout) for cause in _chain(error)):
        return False
    return _unreached(error) or _status(error) in _PASSING


def _failure(error: BaseException, service: Service) -> IndexFailure:
    status = _status(error)
    if status in _REFUSED:
        return ServiceDown(
            f"The Chroma service at {service.url} refuses the token.",
            "Set RAG_CHROMA_TOKEN to one that it takes.",
        )
    if status == _ABSENT:
        return _absent(error, service)
    if status is None or status in _PASSING:
        return ServiceDown(
            f"The Chroma service at {service.url} does not answer.",
            "Start it, or correct RAG_CHROMA_URL; unset it to keep the vectors in the index.",
        )
    return IndexDamaged(
        f"The Chroma service at {service.url} can't use the index's vectors (status {status}).",
        "Run 'digest-rag index' to build the index again.",
    )


def _absent(error: BaseException, service: Service) -> IndexFailure:
    if not is_absent(error):
        return ServiceDown(
            f"What answers at {service.url} is no Chroma service of version 1 or later.",
            "Correct RAG_CHROMA_URL.",
        )
    return IndexDamaged(
        f"The Chroma service at {service.url} does not have the index's vectors.",
        "Run 'digest-rag index' to send them again.",
    )
