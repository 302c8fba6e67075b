"""The Open Inference Protocol."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tenfold.bundle.runtime import OnnxClassifier
from tenfold.data.digits import Digits
from tenfold.serving import bodies, kserve

INFER = "/v2/models/field/infer"


def tensor(data: Any, shape: list[int], **more: Any) -> dict[str, Any]:
    return {"name": "images", "datatype": "UINT8", "shape": shape, "data": data} | more


def test_the_server_and_its_models_are_described(client: TestClient) -> None:
    assert client.get("/v2").json()["name"] == "tenfold"
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    for name in ("field", "single"):
        content = client.get(f"/v2/models/{name}").json()
        assert content["name"] == name
        assert content["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 28, 28]}]
        assert client.get(f"/v2/models/{name}/ready").json() == {"name": name, "ready": True}
    for path in ("", "/ready", "/infer"):
        for name in ("nothing", "%2e%2e%2fbundles", "field%00"):
            url = f"/v2/models/{name}{path}"
            response = client.post(url) if path == "/infer" else client.get(url)
            assert response.status_code == 404


@pytest.mark.parametrize("model", ["field", "single"])
@pytest.mark.parametrize("count", [0, 1, 2, 70])
def test_probabilities_are_the_classifier_s(
    client: TestClient, tiny_digits: Digits, model: str, count: int
) -> None:
    images = tiny_digits.images[:count].numpy()
    expected = OnnxClassifier.load(model).probabilities(images)
    nested, flat = images.tolist(), images.ravel().tolist()
    for data in (nested, flat):
        request_json = {"id": "7", "inputs": [tensor(data, [count, 28, 28])]}
        response = client.post(f"/v2/models/{model}/infer", json=request_json)
        assert response.status_code == 200, response.text
        content = response.json()
        assert (content["model_name"], content["id"]) == (model, "7")
        p, digits = content["outputs"]
        assert (p["name"], p["datatype"], p["shape"]) == ("probabilities", "FP32", [count, 10])
        assert (digits["name"], digits["datatype"], digits["shape"]) == ("digits", "INT64", [count])
        np.testing.assert_allclose(np.reshape(p["data"], (-1, 10)), expected, atol=1e-5)
        assert digits["data"] == expected.argmax(axis=1).tolist()


def test_tensors_may_be_binary(client: TestClient, tiny_digits: Digits) -> None:
    images = tiny_digits.images[:3].numpy()
    size = {"binary_data_size": images.nbytes}
    request_json = {
        "inputs": [tensor(None, [3, 28, 28], parameters=size)],
        "outputs": [
            {"name": "digits"},
            {"name": "probabilities", "parameters": {"binary_data": True}},
        ],
    }
    head = json.dumps(request_json).encode()
    headers = {kserve.JSON_LENGTH_HEADER: str(len(head))}
    response = client.post(INFER, content=head + images.tobytes(), headers=headers)
    length = int(response.headers[kserve.JSON_LENGTH_HEADER])
    content = json.loads(response.content[:length])
    expected = OnnxClassifier.load().probabilities(images)
    assert [output["name"] for output in content["outputs"]] == ["digits", "probabilities"]
    assert content["outputs"][0]["data"] == expected.argmax(axis=1).tolist()
    assert content["outputs"][1]["parameters"] == {"binary_data_size": 120}
    found = np.frombuffer(response.content[length:], "<f4").reshape(3, 10)
    np.testing.assert_allclose(found, expected, atol=1e-5)


ZEROS = [0] * 784


@pytest.mark.parametrize(
    ("request_json", "status", "message"),
    [
        ({}, 422, "inputs: Field required"),
        ({"inputs": []}, 422, "inputs: give one tensor named images"),
        ({"inputs": [tensor(ZEROS, [1, 28, 28], name="x")]}, 422, "give one tensor named images"),
        ({"inputs": [tensor(ZEROS, [1, 784])]}, 422, "give UINT8 of shape"),
        ({"inputs": [tensor(ZEROS, [-1, 28, 28])]}, 422, "give UINT8 of shape"),
        ({"inputs": [tensor(ZEROS, [1, 28, 28], datatype="FP32")]}, 422, "give UINT8 of shape"),
        ({"inputs": [tensor(ZEROS, [2, 28, 28])]}, 422, "784 levels do not fill [2, 28, 28]"),
        ({"inputs": [tensor(ZEROS, [10**9, 28, 28])]}, 413, "above 4096 a request"),
        ({"inputs": [tensor(None, [1, 28, 28])]}, 422, "0 levels do not fill"),
        ({"inputs": [tensor([0.5] * 784, [1, 28, 28])]}, 422, "give integers 0 … 255"),
        ({"inputs": [tensor([256] * 784, [1, 28, 28])]}, 422, "give integers 0 … 255"),
        ({"inputs": [tensor([-1] * 784, [1, 28, 28])]}, 422, "give integers 0 … 255"),
        ({"inputs": [tensor(["0"] * 784, [1, 28, 28])]}, 422, "give integers 0 … 255"),
        ({"inputs": [tensor([2**70] * 784, [1, 28, 28])]}, 422, "give integers 0 … 255"),
        ({"inputs": [tensor([True] * 784, [1, 28, 28])]}, 422, "give integers 0 … 255"),
        ({"inputs": [tensor([[0], [0, 1]], [1, 28, 28])]}, 422, "flat or nested as the shape"),
        ({"inputs": [tensor(ZEROS, [1, 28, 28])] * 2}, 422, "inputs: List should have at most 1"),
        (
            {"inputs": [tensor(ZEROS, [1, 28, 28])], "outputs": [{"name": "digits"}] * 2},
            422,
            "outputs: the same one twice",
        ),
        (
            {"inputs": [tensor(ZEROS, [1, 28, 28])], "outputs": [{"name": "digits"}] * 40_000},
            422,
            "outputs: List should have at most 2",
        ),
        ({"inputs": [tensor(["0" * 800_000], [1, 28, 28])]}, 422, "give integers 0 … 255"),
        ({"inputs": [tensor(ZEROS, [1, 28, 28], datatype="BYTES")]}, 422, "give UINT8 of shape"),
        (
            {"inputs": [tensor(None, [1, 28, 28], parameters={"binary_data_size": 9})]},
            422,
            "0 levels do not fill",
        ),
        (
            {"inputs": [tensor(None, [0, 28, 28], parameters={"binary_data_size": []})]},
            422,
            "binary_data_size: Input should be a valid integer",
        ),
        (
            {
                "inputs": [tensor(ZEROS, [1, 28, 28])],
                "parameters": {"binary_data_output": "false"},
            },
            422,
            "binary_data_output: Input should be a valid boolean",
        ),
        (
            {"inputs": [tensor(ZEROS, [1, 28, 28])], "outputs": [{"name": "x\ny"}]},
            422,
            r"outputs: 'x\ny': use probabilities or digits",
        ),
    ],
)
def test_a_request_that_does_not_fit_is_answered_by_one_line(
    client: TestClient, request_json: dict[str, Any], status: int, message: str
) -> None:
    response = client.post(INFER, json=request_json)
    assert response.status_code == status, response.text
    assert response.json().keys() == {"error"}
    assert message in response.json()["error"]


@pytest.mark.parametrize("length", ["-1", "99999", "9" * 5000, "x", "1e2", "²"])
def test_the_json_s_length_must_be_within_the_body(client: TestClient, length: str) -> None:
    headers = {kserve.JSON_LENGTH_HEADER.encode(): length.encode()}
    response = client.post(INFER, content=b"{}", headers=headers)
    assert response.status_code == 400


ONE_IMAGE = {"inputs": [tensor(ZEROS, [1, 28, 28])]}
# Requests of about a megabyte whose values would take many times as much.
HOSTILE: dict[str, Callable[[], dict[str, Any]]] = {
    "strings": lambda: {"inputs": [tensor(["x" * 900_000, *["y"] * 25_000], [4096, 28, 28])]},
    "empty lists": lambda: {"inputs": [tensor([[]] * 340_000, [4096, 28, 28])]},
    "huge integers": lambda: {"inputs": [tensor([10**4000] * 250, [1, 28, 28])]},
    "outputs": lambda: ONE_IMAGE | {"outputs": [{"name": "digits"}] * 55_000},
    "inputs": lambda: {"inputs": ONE_IMAGE["inputs"] * 400},
    "wrong inputs": lambda: {"inputs": [0] * 500_000},
    "a long shape": lambda: {"inputs": [tensor(ZEROS, ["x"] * 200_000)]},  # type: ignore[list-item]
    "keys": lambda: {f"k{number}": 0 for number in range(90_000)},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_request_takes_much_more_memory_than_itself(client: TestClient, name: str) -> None:
    client.post(INFER, json=ONE_IMAGE)  # what is loaded once
    body = json.dumps(HOSTILE[name](), separators=(",", ":")).encode()
    assert 600_000 < len(body) <= bodies.MAX_JSON_BYTES
    tracemalloc.start()
    response = client.post(INFER, content=body, headers={"Content-Type": "application/json"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 422
    assert len(response.content) < 1000
    assert peak < 64 * 2**20


def test_json_and_tensors_are_bounded(client: TestClient) -> None:
    images = np.zeros((kserve.MAX_IMAGES, 28, 28), np.uint8)
    size = {"binary_data_size": images.nbytes}
    request = {"inputs": [tensor(None, list(images.shape), parameters=size)]}
    head = json.dumps(request | {"outputs": [{"name": "digits"}]}).encode()
    headers = {kserve.JSON_LENGTH_HEADER: str(len(head))}
    response = client.post(INFER, content=head + images.tobytes(), headers=headers)
    assert response.json()["outputs"][0]["shape"] == [kserve.MAX_IMAGES]
    too_long = bytes(bodies.MAX_JSON_BYTES + 1)
    json_type = {"Content-Type": "application/json"}
    for headers in ({}, json_type, {kserve.JSON_LENGTH_HEADER: str(len(too_long))}):
        assert client.post(INFER, content=too_long, headers=headers).status_code == 413
    assert client.post(INFER, content=bytes(kserve.MAX_BODY_BYTES + 1)).status_code == 413
