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
from tenfold.errors import RunError
from tenfold.serving import kserve, schema
from tenfold.serving.bodies import media_type
from tenfold.serving.callers import Callers
from tenfold.serving.middleware import Metrics, ServiceMiddleware, http_error, internal_error
from tenfold.serving.page import REPORT_HEADERS, page_routes
from tenfold.serving.queue import WorkQueue
from tenfold.serving.read import ReadEndpoints, RunLarge, Worker
from tenfold.serving.reader_pool import load_classifier, run_in_thread
from tenfold.untrusted import read_bytes

PATHS_WITHOUT_TOKEN = frozenset(
    {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/openapi.json"}
)


@dataclass(frozen=True)
class Settings:
    """What is served, and who may call.

    Attributes:
        model: a bundle folder, or a shipped bundle's name.
        token: the bearer token that requests must have, if any.
        hosts: names that requests may use for this service; empty allows any.
        cors: origins whose pages may call, besides the service's own.
        report: a run folder whose report is shown, if any.
        access_log: whether to write a line for each request to standard output.
    """

    model: str | Path = SHIPPED
    token: str | None = None
    hosts: frozenset[str] = frozenset()
    cors: frozenset[str] = frozenset()
    report: Path | None = None
    access_log: bool = False


def create_app(
    settings: Settings, queue: WorkQueue | None = None, run_large: RunLarge = run_in_thread
) -> ASGIApp:
    """Load the models and return the application; `run_large` runs what may take long.

    Raises:
        BundleError: see `OnnxClassifier.load`.
        RunError: the run of `settings.report` has no report.
    """
    cv2.setNumThreads(1)  # requests run in parallel already
    worker = Worker(queue or WorkQueue(), run_large)
    metrics = Metrics(worker.queue)
    app = FastAPI(
        title="tenfold",
        version=version("tenfold"),
        summary="Reads handwritten digits.",
        docs_url=None,  # these two pages load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the request's Host
    )
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, internal_error)
    classifier = load_classifier(settings.model)
    endpoints = ReadEndpoints(settings.model, worker)
    # Only described here; `ServiceMiddleware` calls /v1/read itself.
    app.post("/v1/read", **schema.READ)(endpoints.read)
    app.post("/v1/read/batch", **schema.READ_BATCH)(endpoints.read_batch)
    _add_model(app, classifier, find_bundle(settings.model))
    _add_kserve(app, worker, {classifier.config.name: settings.model})
    _add_health(app, metrics)
    _add_report(app, settings.report)
    schema.add_models(app)
    pages = page_routes()
    app.router.routes.extend(pages)
    public = PATHS_WITHOUT_TOKEN | {route.path for route in pages}
    return ServiceMiddleware(
        app,
        direct={"/v1/read": endpoints.read},
        callers=Callers(settings.hosts, settings.cors, settings.token, public),
        metrics=metrics,
        access_log=settings.access_log,
        wrap=partial(_add_cors, settings.cors),
    )


def _add_cors(origins: frozenset[str], app: ASGIApp) -> ASGIApp:
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=sorted(origins),
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


def _add_kserve(app: FastAPI, worker: Worker, models: dict[str, str | Path]) -> None:
    """Add the Open Inference Protocol for some models by name, and for the shipped ones."""
    bundles = {path.name: path for path in BUNDLES.iterdir() if path.is_dir()} | models
    for bundle in bundles.values():
        load_classifier(bundle)

    def find_model(name: str) -> str | Path:
        if name not in bundles:
            raise HTTPException(404, f"no such model; there are {', '.join(sorted(bundles))}")
        return bundles[name]

    @app.get("/v2", **schema.KSERVE)
    async def server() -> dict[str, Any]:
        """Describe the server."""
        return {"name": "tenfold", "version": app.version, "extensions": ["binary_tensor_data"]}

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
        bundle = find_model(name)
        if media_type(request.headers.get("content-type", "")) not in kserve.CONTENT_TYPES:
            raise HTTPException(
                415, "Content-Type: send application/json or application/octet-stream"
            )
        job = partial(kserve.infer, name, bundle, dict(request.headers))
        body, headers = await worker.respond(
            request,
            job,
            lambda body: worker.queue.run_on_loop(partial(job, body)),
            max_bytes=kserve.MAX_BODY_BYTES,
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

    @app.get("/v2/health/live", **schema.KSERVE)
    async def live() -> dict[str, bool]:
        """Return whether the server runs."""
        return {"live": True}

    @app.get("/v2/health/ready", **schema.KSERVE)
    async def ready(request: Request) -> JSONResponse:
        """Return whether the server accepts requests."""
        return _readiness(request)

    @app.get("/metrics", **schema.METRICS)
    async def show_metrics() -> Response:
        """Return the metrics of this process in Prometheus' format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _add_report(app: FastAPI, run: Path | None) -> None:
    fix = f"write it with `tenfold report {run}`"
    report = read_bytes(run / "report.html", RunError, fix) if run else None

    @app.get("/report", **schema.REPORT)
    async def show_report() -> Response:
        """Return the report of the run that --report names."""
        if report is None:
            raise HTTPException(404, "no report; start with --report RUN")
        return HTMLResponse(report, headers=REPORT_HEADERS)


def _readiness(request: Request) -> JSONResponse:
    draining = request.scope.get("state", {}).get("draining", False)
    return JSONResponse({"ready": not draining}, 503 if draining else 200)
