"""The service as an ASGI application."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from tenfold.bundle.format import BUNDLES, SHIPPED, find_bundle, read_card
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.serving import kserve, schema
from tenfold.serving.errors import Refusal
from tenfold.serving.middleware import Guard, Metrics, failed, not_found, refused
from tenfold.serving.page import page_routes, read_report, report_response
from tenfold.serving.queue import Queue
from tenfold.serving.read import ReadingRoute, computed

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


def create_app(settings: Settings, queue: Queue | None = None) -> ASGIApp:
    """Load the models and return the application.

    Raises:
        BundleError: see `OnnxClassifier.load`.
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
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, not_found)
    app.add_exception_handler(Exception, failed)
    session = OnnxClassifier.load(settings.model)
    reading = ReadingRoute(session, queue)
    # FastAPI describes these; requests take the short way to them, see `Guard`.
    app.post("/v1/read", **schema.READ)(reading.read)
    app.post("/v1/read/batch", **schema.READ_BATCH)(reading.read_batch)
    _add_model(app, session, find_bundle(settings.model))
    _add_kserve(app, queue, session)
    _add_health(app, metrics)
    _add_report(app, None if settings.report is None else read_report(settings.report))
    schema.add_models(app)
    pages = page_routes()
    app.router.routes.extend(pages)
    guarded = Guard(
        app,
        short={"/v1/read": reading.read},
        token=settings.token,
        metrics=metrics,
        public=frozenset(route.path for route in pages),
    )
    if not settings.cors:
        return guarded
    return CORSMiddleware(
        guarded,
        allow_origins=settings.cors,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
    )


def _add_model(app: FastAPI, session: OnnxClassifier, folder: Path) -> None:
    config = session.config
    facts = {
        "name": config.name,
        "members": len(config.members),
        "test_time_augmentation": config.test_time_augmentation,
        "accept": config.rejection_threshold,
        "temperature": config.temperature,
        "facts": config.facts.model_dump(exclude_none=True),
        "weights_sha256": config.weights_sha256,
        "card": read_card(folder),
    }

    @app.get("/v1/model", **schema.MODEL)
    async def model() -> JSONResponse:
        """Tell what reads."""
        return JSONResponse(facts)


def _add_kserve(app: FastAPI, queue: Queue, session: OnnxClassifier) -> None:
    sessions = {path.name: path for path in BUNDLES.iterdir() if path.is_dir()}
    models = {name: OnnxClassifier.load(path) for name, path in sessions.items()}
    models[session.config.name] = session

    def known(name: str) -> OnnxClassifier:
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

        def quick(body: bytes) -> Callable[[], Awaitable[tuple[bytes, dict[str, str]]]]:
            return partial(queue.in_turn, partial(job, body))

        body, headers = await computed(queue, request, job, quick)
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
