"""Generates docs/reference/commands.md from the click commands."""

from collections.abc import Iterator

import click

from docs.generated_pages.markdown import code, page, table
from fhir_pmp.cli.main import commands

OPENING = "For operators. Kind: reference."

HOW = """Every command reads the [settings](settings.md) from the environment and prints faults as lines. Exit status: 0 done; 1
something was refused (a setting, a mapping, a row of an import, an unknown delivery); 2 the command line is not valid; 70 an
unexpected error, reported by its place in the program and never with personal data; 130 interrupted. Run `migrate` before any
command that opens the database."""


def commands_page() -> str:
    """Returns the whole page."""
    root = click.Context(commands, info_name="fhir-pmp")
    found = list(_walk(root))
    index = table(
        ("command", "what it does"),
        ((f"[`{name}`](#{_anchor(name)})", command.get_short_help_str(200)) for name, command, _ in found),
    )
    return page("Commands", OPENING, HOW, index, *(_section(*one) for one in found))


def _walk(context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _walk(inner)
        else:
            yield inner.command_path, command, inner


def _section(name: str, command: click.Command, context: click.Context) -> str:
    pieces = " ".join(command.collect_usage_pieces(context))
    options = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        and (record := parameter.get_help_record(context)) is not None
        and "--help" not in parameter.opts
    ]
    return "\n\n".join(
        part
        for part in (
            f"## {name}",
            (command.help or "").strip(),
            f"```\n{name} {pieces}\n```",
            table(("option", ""), ((code(what), about) for what, about in options)),
        )
        if part
    )


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
