"""`tenfold bench`."""

from typing import Annotated

import typer

from tenfold.cli.output import JsonFlag, console, on_interrupt, print_json

bench_app = typer.Typer(help="Measure how fast this machine trains.", no_args_is_help=True)


@bench_app.command("train")
def bench_train(  # noqa: PLR0913 - a command line
    *,
    batch: Annotated[int, typer.Option(min=1, help="Images in a training step.")] = 400,
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Seconds that each candidate is measured.")
    ] = 3,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Also measure torch.compile; compiling takes minutes.")
    ] = False,
    peers: Annotated[
        bool, typer.Option(help="Also measure Keras and JAX, where installed.")
    ] = True,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Also measure batches of 32 to 2048.")
    ] = False,
    phases: Annotated[
        bool, typer.Option("--phases", help="Also measure each part of a step.")
    ] = False,
    json_: JsonFlag = False,
) -> None:
    """Compare the training speed of tenfold, PyTorch, Keras and JAX."""
    from tenfold.benchmark.bench import bench
    from tenfold.benchmark.result_table import result_tables

    with on_interrupt("nothing was measured"):
        result = bench(
            batch=batch,
            seconds=seconds,
            compiled=compile_,
            peers=peers,
            sweep=sweep,
            phases=phases,
            on_progress=lambda line: typer.echo(line, err=True),
        )
    if json_:
        print_json(result)
        return
    for table in result_tables(result):
        console().print(table)
