"""`tenfold recipes`: the shipped recipes."""

from tenfold.cli.output import JsonFlag, console, print_json


def recipes(*, json_: JsonFlag = False) -> None:
    """List the shipped recipes."""
    from rich.table import Table

    from tenfold.training.recipe import load_recipe, shipped

    loaded = [load_recipe(name) for name in shipped()]
    if json_:
        print_json([recipe.model_dump(mode="json") for recipe in loaded])
        return
    table = Table("recipe", "what it is", "expected cost", box=None)
    for recipe in loaded:
        table.add_row(recipe.name, recipe.description, recipe.cost)
    console().print(table)
