"""POST /v1/read of documents: page by page, all pages or one."""

import base64
import io

import numpy as np
import pytest
from made_documents import plain, scanned
from picture_requests import LINE, SMALL, results, send
from PIL import Image
from starlette.testclient import TestClient

from tenfold.serving import responses


@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
def test_a_document_is_answered_page_by_page(client: TestClient, kind: str) -> None:
    line = np.asarray(Image.open(io.BytesIO(LINE)).convert("L"))
    document = scanned([line, np.full_like(line, 255), line], kind)
    content_type = "application/pdf" if kind == "PDF" else "image/tiff"
    whole = send(client, document, content_type).json()
    assert (whole["pages"], whole["error"]) == (3, None)
    assert [(n["page"], n["text"]) for n in whole["numbers"]] == [(1, "3805"), (3, "3805")]
    files = [("file", ("a.pdf", document)), ("file", ("b", SMALL))]
    batch = results(client.post("/v1/read/batch", files=files))
    assert [(one["file"], one["page"], len(one["numbers"])) for one in batch] == [
        ("a.pdf", 1, 1),
        ("a.pdf", 2, 0),
        ("a.pdf", 3, 1),
        ("b", 1, 1),
    ]


@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
def test_a_page_of_a_document_is_read_alone(client: TestClient, kind: str) -> None:
    line = np.asarray(Image.open(io.BytesIO(LINE)).convert("L"))
    h, w = line.shape
    blank = plain(255) * responses.MAX_PAGES
    document = scanned([line, *blank, np.rot90(line)], kind)
    content_type = "application/pdf" if kind == "PDF" else "image/tiff"
    count = responses.MAX_PAGES + 2
    for number, numbers, size in ((1, 1, (w, h)), (2, 0, (40, 24)), (count, None, (h, w))):
        query = f"?page={number}&explain"
        content = send(client, document, content_type, query).json()
        assert content["pages"] == count
        assert {one["page"] for one in content["numbers"]} <= {number}
        assert numbers in {None, len(content["numbers"])}
        shown = content["picture"]
        assert (shown["width"], shown["height"]) == size
        image = Image.open(io.BytesIO(base64.b64decode(shown["image"])))
        assert (image.format, image.size) == ("JPEG", size)
    content = send(client, document, content_type, "?page=1").json()
    assert [one["text"] for one in content["numbers"]] == ["3805"]
    assert "picture" not in content
    response = send(client, document, content_type, f"?page={count + 1}")
    assert response.status_code == 422
    assert response.json() == {"error": f"page={count + 1}: the file has {count}"}


def test_a_page_is_not_chosen_in_a_batch(client: TestClient) -> None:
    response = send(client, SMALL, query="?page=1", path="/v1/read/batch")
    assert response.status_code == 422
    assert response.json()["error"].startswith("page: not in a batch")


def test_a_document_of_too_many_pages_is_refused_unread(client: TestClient) -> None:
    document = scanned(plain(*range(responses.MAX_PAGES + 1)), "TIFF")
    message = f"{responses.MAX_PAGES + 1} pages, above {responses.MAX_PAGES}; divide it"
    response = send(client, document, "image/tiff")
    assert response.status_code == 422
    assert message in response.json()["error"]
    (only,) = results(send(client, document, "image/tiff", path="/v1/read/batch"))
    assert message in only["error"]
