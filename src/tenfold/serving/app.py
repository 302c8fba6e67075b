"""The service as an ASGI application."""

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
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp

from tenfold.bundle.format import BUNDLES, SHIPPED, find_bundle, read_card
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.serving import kserve, schema
from tenfold.serving.middleware import Metrics, ServiceMiddleware, http_error, internal_error
from tenfold.serving.page import REPORT_HEADERS, page_routes, read_report
from tenfold.serving.queue import WorkQueue
from tenfold.serving.read import ReadEndpoints, run_job


@dataclass(frozen=True)
class Settings:
    """What is served, and who may call.

    Attributes:
        model: a bundle folder, or a shipped bundle's name.
        token: the bearer token that requests must have, if any.
        cors: origins whose pages may call.
        report: a run folder whose report is shown, if any.
    """

    model: str | Path = SHIPPED
    token: str | None = None
    cors: tuple[str, ...] = ()
    report: Path | None = None


def create_app(settings: Settings, queue: WorkQueue | None = None) -> ASGIApp:
    """Load the models and return the application.

    Raises:
        BundleError: see `OnnxClassifier.load`.
        RunError: the run of `settings.report` has no report.
    """
    cv2.setNumThreads(1)  # requests run in parallel already
    queue = queue or WorkQueue()
    metrics = Metrics(queue)
    app = FastAPI(
        title="tenfold",
        version=version("tenfold"),
        summary="Reads handwritten digits.",
        docs_url=None,  # these two pages load scripts from other hosts
        redoc_url=None,
    )
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, internal_error)
    classifier = OnnxClassifier.load(settings.model)
    endpoints = ReadEndpoints(classifier, queue)
    # Only described here; `ServiceMiddleware` calls /v1/read itself.
    app.post("/v1/read", **schema.READ)(endpoints.read)
    app.post("/v1/read/batch", **schema.READ_BATCH)(endpoints.read_batch)
    _add_model(app, classifier, find_bundle(settings.model))
    _add_kserve(app, queue, classifier)
    _add_health(app, metrics)
    _add_report(app, settings.report)
    schema.add_models(app)
    pages = page_routes()
    app.router.routes.extend(pages)
    service = ServiceMiddleware(
        app,
        direct={"/v1/read": endpoints.read},
        token=settings.token,
        public=frozenset(route.path for route in pages),
        metrics=metrics,
    )
    if not settings.cors:
        return service
    return CORSMiddleware(
        service,
        allow_origins=settings.cors,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
    )


def _add_model(app: FastAPI, classifier: OnnxClassifier, bundle: Path) -> None:
    config = classifier.config
    description = {
        "name": config.name,
        "members": len(config.members),
        "test_time_augmentation": config.test_time_augmentation,
        "rejection_threshold": config.rejection_threshold,
        "temperature": config.temperature,
        "facts": config.facts.model_dump(exclude_none=True),
        "weights_sha256": config.weights_sha256,
        "card": read_card(bundle),
    }

    @app.get("/v1/model", **schema.MODEL)
    async def model() -> JSONResponse:
        """Describe the model that reads."""
        return JSONResponse(description)


def _add_kserve(app: FastAPI, queue: WorkQueue, classifier: OnnxClassifier) -> None:
    models = {path.name: OnnxClassifier.load(path) for path in BUNDLES.iterdir() if path.is_dir()}
    models[classifier.config.name] = classifier

    def find_model(name: str) -> OnnxClassifier:
        if name not in models:
            raise HTTPException(404, f"no such model; there are {', '.join(sorted(models))}")
        return models[name]

    @app.get("/v2", **schema.KSERVE)
    async def server() -> dict[str, Any]:
        """Describe the server."""
        return {"name": "tenfold", "version": app.version, "extensions": ["binary_tensor_data"]}

    @app.get("/v2/health/live", **schema.KSERVE)
    async def live() -> dict[str, bool]:
        """Return whether the server runs."""
        return {"live": True}

    @app.get("/v2/health/ready", **schema.KSERVE)
    async def ready(request: Request) -> JSONResponse:
        """Return whether the server accepts requests."""
        return _readiness(request)

    @app.get("/v2/models/{name}", **schema.KSERVE_MODEL)
    async def model(name: str) -> dict[str, Any]:
        """Describe a model."""
        find_model(name)
        return kserve.metadata(name)

    @app.get("/v2/models/{name}/ready", **schema.KSERVE_MODEL)
    async def model_ready(name: str) -> dict[str, Any]:
        """Return whether a model is loaded."""
        find_model(name)
        return {"name": name, "ready": True}

    @app.post("/v2/models/{name}/infer", **schema.INFER)
    async def infer(name: str, request: Request) -> Response:
        """Classify images of 28×28 pixels, as MNIST's are."""
        job = partial(kserve.infer, name, find_model(name), request.headers)
        body, headers = await run_job(
            queue, request, job, lambda body: queue.run_on_loop(partial(job, body))
        )
        return Response(body, headers=headers)


def _add_health(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/healthz", **schema.HEALTH)
    async def healthz() -> dict[str, str]:
        """Return that the process lives."""
        return {"status": "ok"}

    @app.get("/readyz", **schema.READY)
    async def readyz(request: Request) -> JSONResponse:
        """Return whether the service accepts requests; it does not while it stops."""
        return _readiness(request)

    @app.get("/metrics", **schema.METRICS)
    async def show_metrics() -> Response:
        """Return the metrics of this process in Prometheus' format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _add_report(app: FastAPI, run: Path | None) -> None:
    report = None if run is None else read_report(run)

    @app.get("/report", **schema.REPORT)
    async def show_report() -> Response:
        """Return the report of the run that --report names."""
        if report is None:
            raise HTTPException(404, "no report; start with --report RUN")
        return HTMLResponse(report, headers=REPORT_HEADERS)


def _readiness(request: Request) -> JSONResponse:
    draining = request.scope.get("state", {}).get("draining", False)
    return JSONResponse({"ready": not draining}, 503 if draining else 200)
