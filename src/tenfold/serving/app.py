"""The service as an ASGI application."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import cv2
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from tenfold.model.package import BUNDLES, SHIPPED, find_bundle
from tenfold.model.session import Session
from tenfold.reading.reader import Reader
from tenfold.serving import kserve, schema
from tenfold.serving.answer import answer, read_all
from tenfold.serving.guard import Guard, Metrics
from tenfold.serving.page import page_routes, read_report, report_response
from tenfold.serving.query import asked_of
from tenfold.serving.queue import Queue
from tenfold.serving.receive import SMALL_BODY, announced, is_small, receive, unpack
from tenfold.serving.refusal import Refusal

T = TypeVar("T")

_VERSION = version("tenfold")


@dataclass(frozen=True)
class Settings:
    """What is served, and to whom.

    Attributes:
        model: a bundle folder, or a shipped one's name.
        token: that callers must bear, if any.
        cors: origins whose pages may call.
        report: a run folder whose report is shown.
    """

    model: str | Path = SHIPPED
    token: str | None = None
    cors: tuple[str, ...] = ()
    report: Path | None = None


def create_app(settings: Settings, queue: Queue | None = None) -> FastAPI:
    """Load the models and return the application.

    Raises:
        BundleError: see `Session.load`.
        RunError: there is no such report.
    """
    cv2.setNumThreads(1)  # one picture after the other: threads would only wait for each other
    queue = queue or Queue()
    metrics = Metrics(queue)
    app = FastAPI(
        title="tenfold",
        version=_VERSION,
        summary="Reads handwritten digits.",
        docs_url=None,  # Swagger's page comes from elsewhere
        redoc_url=None,
    )
    pages = page_routes()
    app.add_middleware(
        Guard, token=settings.token, metrics=metrics, public=frozenset(r.path for r in pages)
    )
    if settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    session = Session.load(settings.model)
    _add_reading(app, queue, Reader(session))
    _add_model(app, session, find_bundle(settings.model))
    _add_kserve(app, queue, session)
    _add_health(app, metrics)
    _add_report(app, None if settings.report is None else read_report(settings.report))
    app.router.routes.extend(pages)
    return app


async def _computed(
    queue: Queue, request: Request, small: Callable[[bytes], bool], job: Callable[[bytes], T]
) -> T:
    """Receive a body and compute its answer; what is not small takes a place first."""
    length = announced(request)
    if length is not None and length <= SMALL_BODY:
        body = await receive(request)
        if small(body):
            return await queue.in_turn(partial(job, body))
        with queue.place():
            return await queue.in_thread(partial(job, body))
    with queue.place():
        body = await receive(request)
        return await queue.in_thread(partial(job, body))


def _add_reading(app: FastAPI, queue: Queue, reader: Reader) -> None:
    name = reader.predictor.config.name

    async def read(request: Request, *, batch: bool) -> Response:
        asked = asked_of(request.scope["query_string"])
        kind = request.headers.get("content-type", "")

        def job(body: bytes) -> bytes:
            results = read_all(reader, unpack(kind, body), asked.layout, explain=asked.explain)
            return answer(name, results, alone_must_do=not batch)

        return Response(
            await _computed(queue, request, is_small, job), media_type="application/json"
        )

    @app.post("/v1/read", **schema.READ)
    async def read_pictures(request: Request) -> Response:
        """Read the digits in a picture, in several, or in strokes."""
        return await read(request, batch=False)

    @app.post("/v1/read/batch", **schema.READ_BATCH)
    async def read_batch(request: Request) -> Response:
        """Read the digits in many pictures; each that cannot be read has its own error."""
        return await read(request, batch=True)


def _add_model(app: FastAPI, session: Session, folder: Path) -> None:
    config = session.config
    card = folder / "card.md"
    facts = {
        "name": config.name,
        "members": len(config.members),
        "views": config.views,
        "accept": config.accept,
        "temperature": config.temperature,
        "facts": config.facts,
        "weights_sha256": config.weights_sha256,
        "card": card.read_text() if card.is_file() else "",
    }

    @app.get("/v1/model", **schema.MODEL)
    async def model() -> JSONResponse:
        """Tell what reads."""
        return JSONResponse(facts)


def _add_kserve(app: FastAPI, queue: Queue, session: Session) -> None:
    sessions = {path.name: path for path in BUNDLES.iterdir() if path.is_dir()}
    models = {name: Session.load(path) for name, path in sessions.items()}
    models[session.config.name] = session

    def known(name: str) -> Session:
        if name not in models:
            raise Refusal(404, f"no such model; there are {', '.join(sorted(models))}")
        return models[name]

    @app.get("/v2", **schema.KSERVE)
    async def server() -> dict[str, Any]:
        """Describe the server."""
        return {"name": "tenfold", "version": _VERSION, "extensions": ["binary_tensor_data"]}

    @app.get("/v2/health/live", **schema.KSERVE)
    async def live() -> dict[str, bool]:
        """Tell that the server runs."""
        return {"live": True}

    @app.get("/v2/health/ready", **schema.KSERVE)
    async def ready(request: Request) -> JSONResponse:
        """Tell whether requests are welcome."""
        return _ready(request, "ready")

    @app.get("/v2/models/{name}", **schema.KSERVE_MODEL)
    async def model(name: str) -> dict[str, Any]:
        """Describe a model."""
        known(name)
        return kserve.metadata(name)

    @app.get("/v2/models/{name}/ready", **schema.KSERVE_MODEL)
    async def model_ready(name: str) -> dict[str, Any]:
        """Tell whether a model is there."""
        known(name)
        return {"name": name, "ready": True}

    @app.post("/v2/models/{name}/infer", **schema.INFER)
    async def infer(name: str, request: Request) -> Response:
        """Classify images that are in MNIST's form."""
        job = partial(kserve.infer, name, known(name), request.headers)
        body, headers = await _computed(queue, request, lambda _: True, job)
        return Response(body, headers=headers)


def _add_health(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/healthz", **schema.HEALTH)
    async def healthz() -> dict[str, str]:
        """Tell that the process lives."""
        return {"status": "ok"}

    @app.get("/readyz", **schema.READY)
    async def readyz(request: Request) -> JSONResponse:
        """Tell whether requests are welcome: not while the service stops."""
        return _ready(request, "ready")

    @app.get("/metrics", **schema.METRICS)
    async def tell_metrics() -> Response:
        """Tell Prometheus what this process did."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _add_report(app: FastAPI, report: bytes | None) -> None:
    @app.get("/report", **schema.REPORT)
    async def show_report() -> Response:
        """Show the report of the run that --report names."""
        if report is None:
            raise Refusal(404, "no report; start with --report RUN")
        return report_response(report)


def _ready(request: Request, key: str) -> JSONResponse:
    draining = request.scope.get("state", {}).get("draining", False)
    return JSONResponse({key: not draining}, 503 if draining else 200)


async def _refused(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, Refusal)  # noqa: S101 - registered for it
    return JSONResponse({"error": str(refusal)}, refusal.status, refusal.headers)


async def _not_found(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
