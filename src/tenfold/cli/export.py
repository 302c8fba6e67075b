"""`tenfold export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tenfold.cli.output import JsonFlag, console, print_json
from tenfold.errors import MissingExtraError, TenfoldError


def export(  # noqa: PLR0913 - a command line
    source: Annotated[
        Path, typer.Argument(help="A run or bundle folder, or a shipped bundle's name.")
    ],
    *,
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
    """
    if format_ != "onnx" and (int8 or batch != "dynamic"):
        raise TenfoldError("--int8 and --batch go with --format onnx")
    if (source / "bundle" / "bundle.json").is_file():
        source = source / "bundle"
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


def _size(batch: str) -> int | None:
    if batch == "dynamic":
        return None
    if batch.isascii() and batch.isdigit() and int(batch):
        return int(batch)
    raise TenfoldError(f"--batch {batch}: use dynamic or a number of images")
