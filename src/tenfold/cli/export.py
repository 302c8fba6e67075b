"""`tenfold export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tenfold.cli.output import JsonFlag, bundle_of, console, print_json
from tenfold.errors import TenfoldError

Format = Literal["onnx", "web", "bundle"]

_SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "web": "-web", "bundle": "-bundle"}


def export(  # noqa: PLR0913 - a command line
    source: Annotated[
        Path, typer.Argument(help="A run or bundle folder, or a shipped bundle's name.")
    ],
    *,
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="A model file for any ONNX runtime; a folder with the page, which reads in the "
            "browser; a bundle folder, also from one of an older format.",
        ),
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option(help="The file or folder [default: NAME.onnx, NAME-web, NAME-bundle]."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="ONNX: weights of eight bits.")] = False,
    batch: Annotated[
        str, typer.Option(metavar="dynamic|N", help="ONNX: images in one call.")
    ] = "dynamic",
    json_: JsonFlag = False,
) -> None:
    """Write a trained classifier for other programs.

    The ONNX model takes uint8 images and gives calibrated probabilities. A model of eight bits is
    compared with the original on test images before it is written.
    """
    if format_ != "onnx" and (int8 or batch != "dynamic"):
        raise TenfoldError("--int8 and --batch go with --format onnx")
    bundle = bundle_of(source)
    name = bundle.resolve().parent.name if bundle != source else source.resolve().name
    out = out or Path(f"{name}{'.int8' if int8 else ''}{_SUFFIXES[format_]}")
    if format_ == "onnx":
        _export_onnx(bundle, out, _batch(batch), int8=int8, as_json=json_)
    elif format_ == "web":
        _export_web(source, bundle, out, as_json=json_)
    else:
        _export_bundle(bundle, out, as_json=json_)


def _export_onnx(bundle: Path, out: Path, batch: int | None, *, int8: bool, as_json: bool) -> None:
    from tenfold.evaluation.export import export_onnx

    result = export_onnx(bundle, out, batch=batch, int8=int8)
    if as_json:
        print_json(result.model_dump(exclude_none=True))
        return
    _print(f"{result.file}  {result.bytes:,} bytes")
    if found := result.int8:
        _print(
            f"{found.images:,} test images: probabilities differ from float32 by at most "
            f"{found.max_difference:.2g}, {found.agreement:.2%} of digits are the same, "
            f"accuracy {found.accuracy:.2%} (float32: {found.float32_accuracy:.2%})"
        )


def _export_web(source: Path, bundle: Path, out: Path, *, as_json: bool) -> None:
    from tenfold.serving.web import write_site

    report = source / "report.html"
    page = write_site(bundle, out, report=report if report.is_file() else None)
    if as_json:
        print_json({"page": str(page)})
    else:
        _print(f"{page}: see it with `python -m http.server -d {out}`")


def _export_bundle(bundle: Path, out: Path, *, as_json: bool) -> None:
    from tenfold.bundle.save import copy_bundle

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TenfoldError(f"--out {out}: is not an empty folder; name a new one")
    copy_bundle(bundle, out)
    if as_json:
        print_json({"folder": str(out)})
    else:
        _print(f"{out}: a bundle of the current format")


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise TenfoldError(f"--batch {text}: use dynamic or a number of images")


def _print(line: str) -> None:
    console().print(line, highlight=False, soft_wrap=True)
