"""The service around its answers: health, metrics, who may ask, pages, and its description."""

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
from tenfold.serving import kserve, page, protocol, server
from tenfold.serving import requests as receive
from tenfold.serving import responses as answering
from tenfold.serving.app import Settings, create_app
from tenfold.serving.queue import Queue
from tenfold.serving.read import ReadingRoute

# Around it


@pytest.mark.parametrize("path", ["/nowhere", "/v1/read", "/v1/read/", "/docs", "/redoc", "/"])
def test_what_is_not_there(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code in {404, 405} or path == "/"
    if path != "/":
        assert response.json().keys() == {"error"}


def test_health_and_model(client: TestClient, reader: Reader) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"ready": True}
    told = client.get("/v1/model").json()
    assert told["name"] == "field"
    assert told["accept"] == reader.accept
    assert told["members"] == 1
    assert "tenfold bundle: field" in told["card"]


def test_the_model_is_the_one_named() -> None:
    client = TestClient(create_app(Settings(model="single")))
    assert client.get("/v1/model").json()["name"] == "single"
    assert send(client, SMALL).json()["model"] == "single"


def test_metrics_count_answers_by_route_and_status(client: TestClient) -> None:
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


def test_the_token_is_asked_for_but_not_for_health() -> None:
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


def test_other_origins_may_call_only_if_named() -> None:
    origin = {"Origin": "https://a.example"}
    preflight = origin | {"Access-Control-Request-Method": "POST"}
    closed = TestClient(create_app(Settings()))
    assert "Access-Control-Allow-Origin" not in closed.get("/v1/model", headers=origin).headers
    assert closed.options("/v1/read", headers=preflight).status_code == 405
    opened = TestClient(create_app(Settings(cors=("https://a.example",), token="t")))
    allowed = opened.options("/v1/read", headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
    other = {"Origin": "https://b.example"}
    assert "Access-Control-Allow-Origin" not in opened.get("/healthz", headers=other).headers
    refused = opened.get("/v1/model", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == "https://a.example"


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for response in (client.get("/v1/model"), client.get("/nowhere"), send(client, b"?")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "server" not in response.headers


def test_a_report_is_shown_if_there_is_one(client: TestClient, tmp_path: Path) -> None:
    missing = client.get("/report")
    assert (missing.status_code, missing.json()["error"]) == (
        404,
        "no report; start with --report RUN",
    )
    with pytest.raises(RunError, match=r"report.html: No such file .* `tenfold report "):
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
    monkeypatch.setattr(page.page_routes, "__defaults__", (tmp_path,))
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


def test_no_page_no_routes(tmp_path: Path) -> None:
    assert page.page_routes(tmp_path / "missing") == []


# What is described


def _examples(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        for example in content.get(JSON, {}).get("examples", {}).values():
            yield path, example["value"]


def test_the_examples_of_the_description_work(client: TestClient) -> None:
    examples = list(_examples(client.get("/openapi.json").json()))
    assert len(examples) == 5
    for path, value in examples:
        response = client.post(path.replace("{name}", "field"), json=value)
        assert response.status_code == 200, (path, response.text)


def test_what_the_description_refers_to_is_in_it(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    names = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert len(names) > 8
    assert names <= document["components"]["schemas"].keys()
    assert json.dumps(document).count('"$ref"') == json.dumps(document).count("#/components/")


def test_the_description_and_the_quick_way_are_of_the_same_paths(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]
    quick: dict[str, Callable[..., Any]] = {"/v1/read": ReadingRoute.read}
    assert quick.keys() <= described.keys()
    assert described["/v1/read"]["post"]["description"] == ReadingRoute.read.__doc__


def test_the_limits_of_the_documentation_are_those_of_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "http.md").read_text()
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE))
    queue = Queue()
    limits = {
        "body": f"{receive.MAX_BODY // 2**20} MiB",
        "pixels, of a request's pictures together": f"{answering.MAX_PIXELS // 10**6} million",
        "pictures a request": f"{receive.MAX_PICTURES}",
        "points of strokes": f"{receive.MAX_POINTS:,}",
        "images of a KServe request": f"{kserve.MAX_IMAGES:,}",
        "request line and headers": f"{protocol.MAX_HEAD // 1024} KiB, {protocol.HEAD_SECONDS:g} s",
        "body's arrival": f"{protocol.BODY_SECONDS:g} s",
        "a quiet connection": f"{server.KEEP_ALIVE} s",
        "connections": f"{protocol.MAX_CONNECTIONS} a worker",
        "small requests under way or waiting": f"{queue.free['small']} a worker",
        "other requests under way or waiting, their arrival included": (
            f"{queue.free['large']} a worker"
        ),
        "what is under way after SIGTERM": f"{server.GRACE} s",
    }
    assert limits.items() <= rows.items()
    assert f"{receive.SMALL_BODY // 1024} KiB" in text
