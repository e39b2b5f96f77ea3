"""List the configs that come with dba.

'dba run NAME' runs one, 'dba inspect NAME' says what it would do, 'dba init NAME' writes it to a file
that you can change. In a config of yours, 'extends: NAME' takes it over. Those of reproduce/ are behind
the report; they need the official MNIST and more time.

[bold]Example[/bold]

  dba configs
"""

import typer

from dba_cli.config import described


def configs() -> None:
    said = described()
    width = max(map(len, said))
    for name, text in said.items():
        typer.echo(f"{name:<{width}}  {text}".rstrip())
