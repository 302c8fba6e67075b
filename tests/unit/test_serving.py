"""The service's answers: those of the reader, or one line that says why not."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clear_digits import clear_digit, number, on_paper
from PIL import Image
from starlette.testclient import TestClient

from tenfold.errors import RunError
from tenfold.reading.reader import Reader
from tenfold.serving import answer as answering
from tenfold.serving import kserve, page, protocol, receive, server
from tenfold.serving.app import Settings, create_app
from tenfold.serving.queue import Queue
from tenfold.serving.read import ReadingRoute

STROKES = [[(5.0, 5.0), (35.0, 5.0), (15.0, 60.0)]]
PNG, OCTETS, JSON = "image/png", "application/octet-stream", "application/json"


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


SMALL = encoded((clear_digit(7, 28) * 255).astype(np.uint8))
LINE = encoded(on_paper(number("3805", 60)[0], 0, 255))


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings()), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Read in NumPy, which the service does not."""
    return Reader.load()


def send(client: TestClient, body: bytes, kind: str = PNG, query: str = "") -> Any:
    return client.post(f"/v1/read{query}", content=body, headers={"Content-Type": kind})


def results(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    assert told["model"] == "field"
    found: list[dict[str, Any]] = told["results"]
    return found


def same(result: dict[str, Any], readings: list[Any]) -> None:
    """Compare what was answered with what a reader of another make says."""
    assert result["error"] is None
    assert len(result["readings"]) == len(readings)
    for index, (told, reading) in enumerate(zip(result["readings"], readings, strict=True)):
        assert told["index"] == index
        assert told["box"] == (reading.box and list(reading.box))
        assert (told["digit"], told["reason"]) == (reading.digit, reading.reason)
        assert told["rejected"] == (reading.reason is not None)
        assert told["runner_up"] == reading.runner_up
        assert told["probability"] == pytest.approx(reading.probability, abs=1e-4)
        np.testing.assert_allclose(told["probabilities"], reading.probabilities, atol=1e-4)
        np.testing.assert_allclose(told["members"], reading.members, atol=1e-4)
        assert told.get("row") == reading.row


# What is read


@pytest.mark.parametrize("query", ["", "?layout=line", "?single", "?single=true", "?grid=0"])
@pytest.mark.parametrize("body", [SMALL, LINE], ids=["small", "large"])
def test_a_raw_picture_is_read_as_the_reader_does(
    client: TestClient, reader: Reader, body: bytes, query: str
) -> None:
    (result,) = results(send(client, body, query=query))
    assert result["name"] is None
    same(result, reader.read(body, "single" if "single" in query else "line"))


def test_the_quick_way_and_the_long_one_say_the_same(client: TestClient) -> None:
    bitmap = encoded(np.asarray(Image.open(io.BytesIO(SMALL))), "BMP")
    assert receive.is_small(SMALL)
    assert not receive.is_small(bitmap)
    for query in ("", "?single&explain"):
        assert results(send(client, SMALL, query=query)) == results(
            send(client, bitmap, OCTETS, query)
        )


def test_every_way_to_send_a_picture_gives_the_same(client: TestClient) -> None:
    (raw,) = results(send(client, LINE))
    assert [told["digit"] for told in raw["readings"]] == [3, 8, 0, 5]
    one = client.post("/v1/read", json={"image": text(LINE)})
    form = client.post("/v1/read", files={"file": ("../n.png", LINE)})
    assert results(one) == [raw]
    assert results(form) == [raw | {"name": "../n.png"}]
    for path in ("/v1/read", "/v1/read/batch"):
        many = client.post(path, json={"images": [text(LINE), text(SMALL)]})
        files = client.post(path, files=[("file", ("a", LINE)), ("file", ("b", SMALL))])
        assert [told["name"] for told in results(files)] == ["a", "b"]
        assert [told["readings"] for told in results(files)] == [
            told["readings"] for told in results(many)
        ]
        assert results(many)[0] == raw


@pytest.mark.parametrize("query", ["", "?layout=line", "?single"])
def test_strokes_are_one_digit_unless_said_otherwise(
    client: TestClient, reader: Reader, query: str
) -> None:
    (result,) = results(client.post(f"/v1/read{query}", json={"strokes": STROKES}))
    same(result, reader.read_strokes(STROKES, "line" if "line" in query else "single"))
    assert result["readings"][0]["digit"] == 7


def test_a_grid_has_rows_and_columns(client: TestClient, reader: Reader) -> None:
    sheet = np.full((300, 300), 255, np.uint8)
    for at in range(10, 300, 70):
        sheet[at - 2 : at + 2, 8:292] = sheet[8:292, at - 2 : at + 2] = 0
    ink = clear_digit(4, 40)
    sheet[90 : 90 + ink.shape[0], 90 : 90 + ink.shape[1]] = 255 - ink * 255
    (result,) = results(send(client, encoded(sheet), query="?grid"))
    same(result, reader.read(sheet, "grid"))
    assert {(told["row"], told["column"]) for told in result["readings"]} >= {(0, 0), (3, 3)}


def test_explained_is_what_the_network_saw(client: TestClient, reader: Reader) -> None:
    (result,) = results(send(client, LINE, query="?explain"))
    for told, reading in zip(result["readings"], reader.read(LINE), strict=True):
        seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(told["image"]))))
        np.testing.assert_array_equal(seen, reading.image)
    assert "image" not in results(send(client, LINE))[0]["readings"][0]


def test_of_several_one_that_cannot_be_read_has_its_own_error(client: TestClient) -> None:
    given = {"images": [text(LINE), text(b"<svg/>"), text(SMALL)]}
    found = results(client.post("/v1/read", json=given))
    assert [told["error"] and told["error"][:22] for told in found] == [
        None,
        "not a readable picture",
        None,
    ]
    assert [bool(told["readings"]) for told in found] == [True, False, True]
    # In a batch a sole one does too.
    (alone,) = results(client.post("/v1/read/batch", json={"images": [text(b"?")]}))
    assert alone["error"]


def test_a_blank_picture_has_no_digits(client: TestClient) -> None:
    blank = encoded(np.zeros((28, 28), np.uint8))
    assert results(send(client, blank))[0]["readings"] == []
    assert results(send(client, blank, query="?single"))[0]["readings"][0]["reason"] == "blank"


# What is not


BAD: list[tuple[bytes, str, str, int, str]] = [
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "", 422, "not a readable"),
    (b"../../etc/passwd", PNG, "", 422, "not a readable picture; send PNG, JPEG"),
    (b"", PNG, "", 422, "not a readable"),
    (SMALL[:60], PNG, "", 422, "not a readable"),
    (encoded(np.zeros((1, 1), np.uint8))[:40], PNG, "", 422, "not a readable"),
    (LINE, PNG, "?grid", 422, "no grid in this picture"),
    (SMALL, PNG, "?grid", 422, "no grid in this picture"),
    (SMALL, "text/plain", "", 415, "Content-Type 'text/plain': send image"),
    (SMALL, "", "", 415, "Content-Type '': send"),
    (SMALL, PNG, "?layout=page", 422, "layout='page': use line, single or grid"),
    (SMALL, PNG, "?grid&single", 422, "exclude each other"),
    (SMALL, PNG, "?gird", 422, "'gird': unknown parameter; use layout"),
    (SMALL, PNG, "?explain=perhaps", 422, "explain='perhaps': use true or false"),
    (b"{", JSON, "", 400, "body is not JSON"),
    (b"[" * 100_000, JSON, "", 400, "body is not JSON"),
    (b"[]", JSON, "", 422, "body: give one of image, images, strokes"),
    (b"{}", JSON, "", 422, "body: give one of"),
    (b'{"image": "", "images": []}', JSON, "", 422, "body: give one of"),
    (b'{"url": "http://127.0.0.1/"}', JSON, "", 422, "'url': unknown field"),
    (b'{"a\\nb": 1}', JSON, "", 422, "unknown field"),
    (b'{"image": 5}', JSON, "", 422, "image: Input should be a valid string"),
    (b'{"image": "http://127.0.0.1/"}', JSON, "", 422, "image: not base64"),
    (b'{"image": "PHN2Zy8+"}', JSON, "", 422, "not a readable picture"),
    (b'{"images": []}', JSON, "", 422, "images: List should have at least 1 item"),
    (b'{"images": ["PHN2Zy8+", "%"]}', JSON, "", 422, "images.1: not base64"),
    (b'{"strokes": 5}', JSON, "", 422, "strokes: Input should be a valid array"),
    (b'{"strokes": [[[1, "2"]]]}', JSON, "", 422, "strokes.0.0.1: Input should be a valid number"),
    (b'{"strokes": [[[1, 1e999]]]}', JSON, "", 422, "strokes.0.0.1: Input should be a finite"),
    (b'{"strokes": [[[1, NaN]]]}', JSON, "", 400, "body is not JSON"),
    (b'{"strokes": [[[1, 1e300]]]}', JSON, "", 422, "finite numbers"),
    (b'{"strokes": []}', JSON, "?grid", 422, "no grid"),
    (b"--x", "multipart/form-data", "", 400, "body is not multipart/form-data"),
    (b"nothing", "multipart/form-data; boundary=x", "", 400, "body is not multipart/form-data"),
    (b"--x--\r\n", "multipart/form-data; boundary=x", "", 422, "no pictures; send files"),
]


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_said_in_one_line(
    client: TestClient, case: tuple[bytes, str, str, int, str]
) -> None:
    body, kind, query, status, message = case
    response = send(client, body, kind, query)
    assert response.status_code == status, response.text
    told = response.json()
    assert told.keys() == {"error"}
    assert message in told["error"]
    assert "\n" not in told["error"]
    assert not re.search(r"Error\b|Traceback|tenfold/|\.py", told["error"])


@pytest.mark.parametrize("field", ["picture", ""])
def test_a_form_has_files_in_one_field(client: TestClient, field: str) -> None:
    body = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="a"\r\n\r\n'.encode()
    response = send(client, body + SMALL + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
    assert response.status_code == 422
    assert f"form field '{field}'" in response.json()["error"]
    response = client.post("/v1/read", data={"file": "a"}, files={"file": SMALL})
    assert response.status_code == 422


def test_too_much_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(client, bytes(receive.MAX_BODY + 1)).status_code == 413
    images = [text(SMALL)] * (receive.MAX_PICTURES + 1)
    for path in ("/v1/read", "/v1/read/batch"):
        assert client.post(path, json={"images": images}).status_code == 413
        files = [("file", ("a", b"?"))] * (receive.MAX_PICTURES + 1)
        assert client.post(path, files=files).status_code == 413
    strokes = [[[0, 0]] * receive.MAX_POINTS]
    assert client.post("/v1/read", json={"strokes": strokes}).status_code == 413
    monkeypatch.setattr(answering, "MAX_PIXELS", 5_000)
    large, small = text(encoded(np.zeros((71, 71), np.uint8))), text(SMALL)
    response = client.post("/v1/read", json={"image": large})
    assert response.status_code == 422
    assert "71 x 71 is above" in response.json()["error"]
    found = results(client.post("/v1/read", json={"images": [small] * 3 + [large]}))
    assert [bool(told["error"]) for told in found] == [False, False, True, True]


def test_a_body_that_is_not_announced_is_bounded_as_it_comes(client: TestClient) -> None:
    given: list[int] = []

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            given.append(1)
            yield bytes(2**20)

    response = client.post("/v1/read", content=endless(), headers={"Content-Type": PNG})
    assert response.status_code == 413
    assert "above 16 MiB" in response.json()["error"]
    chunks = iter([SMALL[:50], SMALL[50:]])
    response = client.post("/v1/read", content=chunks, headers={"Content-Type": PNG})
    assert results(response)[0]["readings"][0]["digit"] == 7


def test_a_picture_of_too_many_pixels_is_not_decoded(client: TestClient) -> None:
    header = SMALL[:16] + (10_000).to_bytes(4, "big") * 2
    import zlib

    crc = zlib.crc32(header[12:] + SMALL[24:29]).to_bytes(4, "big")
    response = send(client, header + SMALL[24:29] + crc + SMALL[33:])
    assert response.status_code == 422
    assert "10000 x 10000 is above 25 million pixels" in response.json()["error"]


@pytest.mark.parametrize("body", [SMALL, LINE, json.dumps({"strokes": STROKES}).encode()])
def test_a_full_queue_says_when_to_come_back(body: bytes) -> None:
    full = TestClient(create_app(Settings(), Queue(small=0, large=0)))
    response = send(full, body, JSON if body.startswith(b"{") else PNG)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "try again" in response.json()["error"]
    assert full.get("/readyz").status_code == 200


@pytest.mark.parametrize("body", [SMALL, LINE])
@pytest.mark.parametrize("path", ["/v1/read", "/v1/read/batch"])
def test_a_bug_shows_nothing_but_a_number_that_the_log_has(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, body: bytes, path: str
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr("tenfold.serving.read.find_digits", broken)
    monkeypatch.setattr(Reader, "read", broken)
    client = TestClient(create_app(Settings()), raise_server_exceptions=False)
    response = client.post(path, content=body, headers={"Content-Type": PNG})
    assert response.status_code == 500
    number = re.fullmatch(r'\{"error":"internal error ([0-9a-f]{12})"\}', response.text)
    assert number
    (record,) = [r for r in caplog.records if r.name == "tenfold.serving"]
    assert number[1] in record.getMessage()
    assert "/a/secret/path" in (record.exc_text or "")
    assert "500" in client.get("/metrics").text


def test_a_bug_elsewhere_shows_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr("tenfold.serving.app.generate_latest", broken)
    client = TestClient(create_app(Settings()), raise_server_exceptions=False)
    response = client.get("/metrics")
    assert (response.status_code, "secret" in response.text) == (500, False)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert [r.name for r in caplog.records].count("tenfold.serving") == 1


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
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
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
