"""`tenfold export`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tenfold.cli.output import BUNDLE_ARGUMENT, JsonFlag, console, print_json
from tenfold.errors import TenfoldError
from tenfold.files import new_folder, writing

Format = Literal["onnx", "web", "bundle"]

_SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "web": "-web", "bundle": "-bundle"}


def export(  # noqa: PLR0913 - a command line
    source: Annotated[Path, BUNDLE_ARGUMENT],
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
        int | None,
        typer.Option(min=1, max=65_536, help="ONNX: images in one call [default: any number]."),
    ] = None,
    json_: JsonFlag = False,
) -> None:
    """Write a trained classifier for other programs.

    The ONNX model takes uint8 images and gives calibrated probabilities.
    """
    if format_ != "onnx" and (int8 or batch):
        raise TenfoldError("--int8 and --batch go with --format onnx")
    folder = source.resolve()
    name = folder.parent.name if folder.name == "bundle" else folder.name
    out = out or Path(f"{name}{'.int8' if int8 else ''}{_SUFFIXES[format_]}")
    if format_ == "onnx":
        _check_out(source, out)
        result, line = _export_onnx(source, out, batch, int8=int8)
    elif format_ == "web":
        result, line = _export_web(source, out)
    else:
        result, line = _export_bundle(source, out)
    if json_:
        print_json(result)
    else:
        console().print(line, highlight=False, soft_wrap=True)


def _check_out(source: Path, out: Path) -> None:
    """Refuse the name of a picture or of a file of the bundle: it would be overwritten.

    Raises:
        TenfoldError: it is one.
    """
    from tenfold.bundle.format import reading_files
    from tenfold.data.decoding import LISTED_SUFFIXES

    if out.suffix.lower() in LISTED_SUFFIXES:
        raise TenfoldError(f"--out {out}: is a picture's name; let the name end in .onnx")
    if out.resolve() in [file.resolve() for file in reading_files(source)]:
        raise TenfoldError(f"--out {out}: is a file of the bundle; name another")


def _export_bundle(source: Path, out: Path) -> tuple[dict[str, Any], str]:
    """Return the JSON object that describes the bundle, and the same in words.

    The folder appears whole: one that was left half-written would be in the way of the next try.
    """
    from tenfold.bundle.save import copy_bundle

    with new_folder(out) as folder, writing(f"--out {out}"):
        copy_bundle(source, folder)
    return {"folder": str(out)}, f"{out}: a bundle of the current format"


def _export_web(source: Path, out: Path) -> tuple[dict[str, Any], str]:
    """Return the JSON object that describes the page, and the same in words."""
    from tenfold.serving.web import write_site

    report = source / "report.html"
    page = write_site(source, out, report=report if report.is_file() else None)
    return {"page": str(page)}, f"{page}: see it with `python -m http.server -d {out}`"


def _export_onnx(
    source: Path, out: Path, batch: int | None, *, int8: bool
) -> tuple[dict[str, Any], str]:
    """Return the JSON object that describes the file, and the same in words."""
    from tenfold.bundle.export import export_onnx

    export_onnx(source, out, batch=batch, int8=int8)
    size = out.stat().st_size
    return {"file": str(out), "bytes": size}, f"{out}  {size:,} bytes"
