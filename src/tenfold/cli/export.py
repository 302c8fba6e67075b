"""`tenfold export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tenfold.cli.output import JsonFlag, bundle_of, console, print_json
from tenfold.errors import MissingExtraError, TenfoldError


def export(  # noqa: PLR0913 - a command line
    source: Annotated[
        Path,
        typer.Argument(help="A run or bundle folder, a shipped bundle's name, or the word web."),
    ],
    folder: Annotated[
        Path | None, typer.Argument(help="Of web: where the page and all it needs is written.")
    ] = None,
    *,
    model: Annotated[
        Path, typer.Option(help="Of web: a run or bundle folder, or a shipped bundle's name.")
    ] = Path("field"),
    out: Annotated[Path | None, typer.Option(help="The file [default: NAME.onnx].")] = None,
    format_: Annotated[
        Literal["onnx", "safetensors"],
        typer.Option("--format", help="A graph for any runtime, or the bundle in one file."),
    ] = "onnx",
    int8: Annotated[bool, typer.Option("--int8", help="ONNX: weights of eight bits.")] = False,
    batch: Annotated[
        str, typer.Option(metavar="dynamic|N", help="ONNX: images a call.")
    ] = "dynamic",
    json_: JsonFlag = False,
) -> None:
    """Write a bundle as one file: uint8 images in, calibrated probabilities out.

    An ONNX file is compared with PyTorch on MNIST's test images before it takes its name.
    `export web FOLDER` writes a page to draw on that reads in the browser, with no server behind.
    """
    if source == Path("web"):
        _web(model, folder, as_json=json_)
        return
    if folder:
        raise TenfoldError(f"{folder}: one bundle at a time; a file is named by --out")
    if format_ != "onnx" and (int8 or batch != "dynamic"):
        raise TenfoldError("--int8 and --batch go with --format onnx")
    source = bundle_of(source)
    suffix = ".int8.onnx" if int8 else f".{format_}"
    out = out or Path(f"{source.parent.name if source.name == 'bundle' else source.stem}{suffix}")
    try:
        from tenfold.evaluation.export import export_onnx, export_safetensors
    except ModuleNotFoundError as error:
        raise MissingExtraError("export", "onnx") from error
    if format_ == "safetensors":
        result = export_safetensors(source, out)
    else:
        from tenfold.data.sources import load_digits

        result = export_onnx(
            source,
            out,
            load_digits("mnist", "test"),
            batch=_size(batch),
            calibration=load_digits("mnist", "train") if int8 else None,
        )
    if json_:
        print_json(result)
        return
    console().print(f"{result['file']}  {result['bytes']:,} bytes", highlight=False, soft_wrap=True)
    if "agreement" in result:
        console().print(
            f"{result['images']:,} test images beside PyTorch: probabilities differ by at most "
            f"{result['max_difference']:.2g}, {result['agreement']:.2%} of digits are the same, "
            f"accuracy {result['accuracy']:.2%} ({result['torch_accuracy']:.2%} in PyTorch)",
            highlight=False,
        )


def _web(model: Path, folder: Path | None, *, as_json: bool) -> None:
    from tenfold.serving.web import write_site

    if folder is None:
        raise TenfoldError("export web: name the folder, as in `tenfold export web site`")
    report = model / "report.html"
    page = write_site(bundle_of(model), folder, report=report if report.is_file() else None)
    if as_json:
        print_json({"page": str(page)})
    else:
        console().print(f"{page}: see it with `python -m http.server -d {folder}`", soft_wrap=True)


def _size(batch: str) -> int | None:
    if batch == "dynamic":
        return None
    if batch.isascii() and batch.isdigit() and int(batch):
        return int(batch)
    raise TenfoldError(f"--batch {batch}: use dynamic or a number of images")
