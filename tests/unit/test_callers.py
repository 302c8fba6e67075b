"""Requests that a page of another site makes the user's browser send."""

from typing import Any

import pytest
from picture_requests import PNG, SMALL
from starlette.testclient import TestClient

from tenfold.serving.app import Settings, create_app

HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "digits.example"})
OWN_HOSTS = ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST", "digits.example"]
OTHER_HOSTS = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("", "@localhost:8000", "[::1", "localhost:8000@evil.example", "evil.example/localhost"),
]
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module")
def local() -> TestClient:
    """Call the service as it is on a loopback address."""
    return TestClient(create_app(Settings(hosts=HOSTS)), base_url="http://127.0.0.1:8000")


def post(client: TestClient, **headers: str) -> Any:
    return client.post("/v1/read", content=SMALL, headers={"Content-Type": PNG} | headers)


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_a_request_may_use_the_service_s_names(local: TestClient, host: str) -> None:
    assert post(local, Host=host).status_code == 200
    # What the page itself sends.
    assert post(local, Host=host, Origin=f"http://{host}").status_code == 200


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_dns_rebinding_is_refused(local: TestClient, host: str) -> None:
    """A page of evil.example, whose name now leads to this machine, is same-origin with itself."""
    same_origin = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    for path in ("/", "/v1/model", "/healthz"):
        if host == "@localhost:8000":  # no browser sends this; it names localhost
            continue
        response = local.get(path, headers={"Host": host} | same_origin)
        assert response.status_code == 421
        assert response.json().keys() == {"error"}
        assert "evil" not in response.text
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},  # a sandboxed frame
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},  # another program's
        {"Origin": "https://127.0.0.1:8000.evil.example"},
        CROSS_SITE,
    ],
)
def test_a_cross_site_post_is_refused(local: TestClient, headers: dict[str, str]) -> None:
    form = {"files": {"file": SMALL}}  # a browser sends a form without asking first
    for arguments in (form, {"content": "text"}, {"content": SMALL}):
        for path in ("/v1/read", "/v1/read/batch", "/v2/models/field/infer"):
            response = local.post(path, headers=headers, **arguments)
            assert response.status_code == 403, response.text


def test_another_site_may_link_to_the_page_but_not_embed_it(local: TestClient) -> None:
    link = CROSS_SITE | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert local.get("/", headers=link).status_code == 200
    for destination in ("image", "iframe", "script", "empty"):
        embedded = CROSS_SITE | {"Sec-Fetch-Dest": destination}
        assert local.get("/", headers=embedded).status_code == 403
    assert local.post("/v1/read", content=SMALL, headers=link).status_code == 403
    assert local.get("/", headers={"Sec-Fetch-Site": "none"}).status_code == 200


@pytest.mark.parametrize("origins", [{"https://a.example"}, {"*"}])
def test_named_origins_may_call(origins: set[str]) -> None:
    client = TestClient(create_app(Settings(cors=frozenset(origins))))
    headers = CROSS_SITE | {"Origin": "https://a.example"}
    assert post(client, **headers).status_code == 200
    other = post(client, **CROSS_SITE | {"Origin": "https://b.example"})
    assert other.status_code == (200 if "*" in origins else 403)


def test_any_host_is_served_by_default_of_the_application() -> None:
    assert post(TestClient(create_app(Settings())), Host="a.example").status_code == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/read", "text/plain"),
        ("/v1/read", "application/x-www-form-urlencoded"),
        ("/v1/read/batch", "text/plain;charset=UTF-8"),
        ("/v2/models/field/infer", "text/plain"),
        ("/v2/models/field/infer", "multipart/form-data; boundary=x"),
    ],
)
def test_json_needs_its_content_type(local: TestClient, path: str, kind: str) -> None:
    response = local.post(path, content=b"{}", headers={"Content-Type": kind})
    assert response.status_code == 415
    assert "send" in response.json()["error"]
