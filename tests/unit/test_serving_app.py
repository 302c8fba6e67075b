"""The service apart from reading: health, metrics, tokens, pages and the OpenAPI document."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_requests import JSON, LINE, PNG, SMALL, send
from starlette.testclient import TestClient

from tenfold.errors import RunError
from tenfold.reading.reader import Reader
from tenfold.serving import (
    bodies,
    kserve,
    page,
    protocol,
    reader_pool,
    requests,
    responses,
    server,
)
from tenfold.serving.app import Settings, create_app
from tenfold.serving.queue import WorkQueue
from tenfold.serving.read import ReadEndpoints


@pytest.mark.parametrize("path", ["/nowhere", "/v1/read", "/v1/read/", "/docs", "/redoc", "/"])
def test_unknown_paths_are_answered_by_json(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code in {404, 405} or path == "/"
    if path != "/":
        assert response.json().keys() == {"error"}


def test_health_and_model(client: TestClient, reader: Reader) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"ready": True}
    model = client.get("/v1/model").json()
    assert model["name"] == "field"
    assert model["rejection_threshold"] == reader.min_probability
    assert model["members"] == 1
    assert "tenfold bundle: field" in model["card"]


def test_another_model_is_served() -> None:
    client = TestClient(create_app(Settings(model="single")))
    assert client.get("/v1/model").json()["name"] == "single"
    assert send(client, SMALL).json()["model"] == "single"


def test_metrics_count_responses_by_route_and_status(client: TestClient) -> None:
    def count(route: str, status: int) -> float:
        pattern = rf'^tenfold_requests_total{{route="{route}",status="{status}"}} (\S+)$'
        found = re.search(pattern, client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0

    before = count("/v1/read", 200), count("/v1/read", 422), count("other", 404)
    send(client, SMALL)
    send(client, LINE)
    send(client, b"?")
    client.get("/nowhere/1")
    after = count("/v1/read", 200), count("/v1/read", 422), count("other", 404)
    assert np.subtract(after, before).tolist() == [2, 1, 1]
    assert 'tenfold_request_seconds_bucket{le="0.025",route="/v1/read"}' in (
        client.get("/metrics").text
    )
    assert "tenfold_waiting 0.0" in client.get("/metrics").text


def test_a_token_is_required_except_for_health() -> None:
    client = TestClient(create_app(Settings(token="open sesame".replace(" ", "-"))))
    for path in ("/v1/model", "/metrics", "/report", "/v2", "/v2/models/field", "/nowhere"):
        response = client.get(path)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert "sesame" not in response.text
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/openapi.json"):
        assert client.get(path).status_code == 200
    assert send(client, SMALL).status_code == 401
    for wrong in ("Bearer", "Bearer open", "open-sesame", "Basic open-sesame", "Bearer öpen"):
        headers = [(b"Authorization", wrong.encode("latin-1")), (b"Content-Type", PNG.encode())]
        assert client.post("/v1/read", content=SMALL, headers=headers).status_code == 401
    right = {"Authorization": "Bearer open-sesame", "Content-Type": PNG}
    assert client.post("/v1/read", content=SMALL, headers=right).status_code == 200


def test_other_origins_may_call_only_if_configured() -> None:
    origin = {"Origin": "https://a.example"}
    preflight = origin | {"Access-Control-Request-Method": "POST"}
    closed = TestClient(create_app(Settings()))
    for response in (
        closed.get("/v1/model", headers=origin),
        closed.options("/v1/read", headers=preflight),
    ):
        assert response.status_code == 403
        assert "Access-Control-Allow-Origin" not in response.headers
        has_security_headers(response)
    opened = TestClient(create_app(Settings(cors=frozenset({"https://a.example"}), token="t")))
    allowed = opened.options("/v1/read", headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
    has_security_headers(allowed)
    other = {"Origin": "https://b.example"}
    assert opened.get("/healthz", headers=other).status_code == 403
    rejected = opened.get("/v1/model", headers=origin)
    assert rejected.status_code == 401
    assert rejected.headers["Access-Control-Allow-Origin"] == "https://a.example"


def has_security_headers(response: Any) -> None:
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "server" not in response.headers


def test_every_response_has_the_security_headers(client: TestClient) -> None:
    for response in (client.get("/v1/model"), client.get("/nowhere"), send(client, b"?")):
        has_security_headers(response)


def test_nothing_redirects_to_the_host_that_a_caller_names(client: TestClient) -> None:
    for path in ("/v1/read/", "/v1/model/", "/v1/read/batch/", "//evil.example/v1"):
        url = f"http://evil.example{path}"
        response = client.get(url, follow_redirects=False)
        assert response.status_code in {404, 405}
        assert "evil" not in response.text + str(response.headers)


def test_the_access_log_has_a_line_for_each_request(capsys: pytest.CaptureFixture[str]) -> None:
    client = TestClient(create_app(Settings(token="secret-token", access_log=True)))
    client.get("/healthz")
    client.post("/v1/read?single", content=SMALL, headers={"Authorization": "Bearer secret-token"})
    client.get("/" + "a%22%0A" * 200, headers={"Origin": "https://evil.example"})
    text = capsys.readouterr().out
    entries = [json.loads(line) for line in text.splitlines()]
    assert [(e["method"], e["path"][:8], e["status"]) for e in entries] == [
        ("GET", "/healthz", 200),
        ("POST", "/v1/read", 415),
        ("GET", '/a"\na"\na', 403),
    ]
    assert all(e["client"] == "testclient" and 0 <= e["milliseconds"] < 9999 for e in entries)
    assert max(len(e["path"]) for e in entries) <= 200
    assert "secret" not in text


def test_a_report_is_served_if_configured(client: TestClient, tmp_path: Path) -> None:
    missing = client.get("/report")
    assert (missing.status_code, missing.json()["error"]) == (
        404,
        "no report; start with --report RUN",
    )
    with pytest.raises(
        RunError, match=r"report.html: cannot be read \(No such file .* `tenfold report "
    ):
        create_app(Settings(report=tmp_path))
    (tmp_path / "report.html").write_text("<h1>figures</h1>")
    shown = TestClient(create_app(Settings(report=tmp_path))).get("/report")
    assert shown.text == "<h1>figures</h1>"
    assert "script-src" not in shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]


def test_the_page_is_served_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts").mkdir()
    for name, content in {
        "index.html": "<title>draw</title>",
        "parts/draw.js": "1",
        "page.css": "a {}",
        "__init__.py": "secret",
    }.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(page.page_routes, "__defaults__", (tmp_path, ()))
    client = TestClient(create_app(Settings(token="t")))
    index = client.get("/")
    assert index.text == "<title>draw</title>"
    assert "default-src 'self'" in index.headers["Content-Security-Policy"]
    assert "unsafe" not in index.headers["Content-Security-Policy"]
    assert index.headers["Content-Type"].startswith("text/html")
    script = client.get("/parts/draw.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    again = client.get("/parts/draw.js", headers={"If-None-Match": script.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    (tmp_path / "page.css").unlink()
    assert client.get("/page.css").text == "a {}"
    for path in ("/__init__.py", "/parts", "/..%2f..%2fetc/passwd", "/parts/..%2f__init__.py"):
        assert client.get(path).status_code in {401, 404}


# The OpenAPI document


def _examples(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        for example in content.get(JSON, {}).get("examples", {}).values():
            yield path, example["value"]


def test_the_examples_of_the_openapi_document_work(client: TestClient) -> None:
    examples = list(_examples(client.get("/openapi.json").json()))
    assert len(examples) == 4
    for path, value in examples:
        response = client.post(path.replace("{name}", "field"), json=value)
        assert response.status_code == 200, (path, response.text)
        assert path != "/v1/read" or response.json()["numbers"][0]["text"] == "7"


def test_every_reference_of_the_openapi_document_resolves(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    names = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert len(names) > 8
    assert names <= document["components"]["schemas"].keys()
    assert json.dumps(document).count('"$ref"') == json.dumps(document).count("#/components/")


def test_the_endpoints_that_the_middleware_calls_are_described(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]
    direct: dict[str, Callable[..., Any]] = {"/v1/read": ReadEndpoints.read}
    assert direct.keys() <= described.keys()
    assert described["/v1/read"]["post"]["description"] == ReadEndpoints.read.__doc__


def test_the_documented_limits_are_the_code_s() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "http.md").read_text()
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE))
    queue = WorkQueue()
    limits = {
        "body": f"{bodies.MAX_BODY_BYTES // 2**20} MiB",
        "pixels, of a request's pictures together": f"{responses.MAX_PIXELS // 10**6} million",
        "pages of a document": f"{responses.MAX_PAGES}",
        "pixels of a page of a document": f"{responses.MAX_PIXELS // 10**6} million",
        "pictures a request": f"{requests.MAX_PICTURES}",
        "points of strokes": f"{requests.MAX_STROKE_POINTS:,}",
        "images of a KServe request": f"{kserve.MAX_IMAGES:,}",
        "request line and headers": (
            f"{protocol.MAX_HEAD_BYTES // 1024} KiB, {protocol.HEAD_TIMEOUT_S:g} s"
        ),
        "body's arrival": f"{protocol.BODY_TIMEOUT_S:g} s",
        "a quiet connection": f"{server.KEEP_ALIVE_S} s",
        "connections": f"{protocol.MAX_CONNECTIONS} a worker",
        "small requests under way or waiting": f"{queue.free['small']} a worker",
        "other requests under way or waiting": f"{queue.free['large']} a worker",
        "JSON": f"{bodies.MAX_JSON_BYTES // 2**20} MiB",
        "bodies that are arriving, together": f"{bodies.MAX_ARRIVING_BYTES // 2**20} MiB a worker",
        "a response's reading": f"{protocol.WRITE_TIMEOUT_S:g} s",
        "waiting for a free process": f"{reader_pool.WAIT_TIMEOUT_S:g} s",
        "reading one request": f"{reader_pool.READ_TIMEOUT_S:g} s",
        "what is under way after SIGTERM": f"{server.SHUTDOWN_TIMEOUT_S} s",
    }
    assert limits.items() <= rows.items()
    assert f"{bodies.SMALL_BODY_BYTES // 1024} KiB" in text
