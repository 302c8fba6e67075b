"""`tenfold bench`."""

from typing import Annotated

import typer

from tenfold.cli.output import JsonFlag, console, print_json

bench_app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)


@bench_app.command("train")
def bench_train(  # noqa: PLR0913 - a command line
    *,
    batch: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 400,
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Seconds measured for each candidate.")
    ] = 3,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Add torch.compile, which may compile for minutes.")
    ] = False,
    peers: Annotated[bool, typer.Option(help="Add Keras and JAX where installed.")] = True,
    sweep: Annotated[bool, typer.Option("--sweep", help="Add batch sizes 32 to 2048.")] = False,
    phases: Annotated[
        bool, typer.Option("--phases", help="Add the time of each part of a step.")
    ] = False,
    json_: JsonFlag = False,
) -> None:
    """Measure the speed of training, in turns with PyTorch, Keras and JAX."""
    from tenfold.benchmark.bench import bench
    from tenfold.benchmark.result_table import result_tables

    try:
        result = bench(
            batch=batch,
            seconds=seconds,
            compiled=compile_,
            peers=peers,
            sweep=sweep,
            phases=phases,
            on_progress=lambda line: typer.echo(line, err=True),
        )
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if json_:
        print_json(result)
        return
    for table in result_tables(result):
        console().print(table)
