"""The program itself: what all of its commands have in common."""

from typing import Annotated

import typer

import chatreel

app = typer.Typer(
    name="chatreel",
    help="Record chat completions once, replay them for ever.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        typer.echo(f"chatreel {chatreel.__version__}")
        raise typer.Exit
