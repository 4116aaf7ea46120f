"""Writes the generated pages of the documentation, or checks whether they are current.

`python -m docs.generate` (`make docs`) writes; with `--check` nothing is written and the exit status is 1 where a page differs.
"""

import argparse
import sys
from pathlib import Path

from docs.generated_pages.capability import served_table, statement_excerpt
from docs.generated_pages.commands import commands_page
from docs.generated_pages.delivery_states import delivery_states_page, delivery_states_picture
from docs.generated_pages.errors import errors_page
from docs.generated_pages.example_score import example_score
from docs.generated_pages.fault_matrix import fault_matrix
from docs.generated_pages.hazards import hazard_log, load_hazards
from docs.generated_pages.instruments import instruments_page
from docs.generated_pages.markdown import replace_generated_part
from docs.generated_pages.metrics import metrics_page
from docs.generated_pages.programme_api import programme_api
from docs.generated_pages.promise_tests import promise_tests_page
from docs.generated_pages.settings import settings_page

ROOT = Path(__file__).parents[1]


def build_pages(root: Path = ROOT) -> dict[Path, str]:
    """Returns the current text of every generated page, by path. Raises MappingFaults."""
    mappings, reference = root / "mappings", root / "docs" / "reference"
    shapes = (reference / "fhir-mapping.md").read_text(encoding="utf-8")
    shapes = replace_generated_part(shapes, "served", served_table())
    shapes = replace_generated_part(shapes, "statement", statement_excerpt(mappings))
    shapes = replace_generated_part(shapes, "example", example_score(mappings))
    return {
        reference / "settings.md": settings_page(),
        reference / "commands.md": commands_page(),
        reference / "instruments.md": instruments_page(mappings),
        reference / "errors.md": errors_page(),
        reference / "delivery-states.md": delivery_states_page(),
        root / "docs" / "images" / "delivery-states.svg": delivery_states_picture(),
        reference / "fault-matrix.md": fault_matrix(root),
        reference / "fhir-mapping.md": shapes,
        reference / "metrics.md": metrics_page(),
        reference / "promise-tests.md": promise_tests_page(root),
        reference / "programme-openapi.json": programme_api(),
        root / "docs" / "safety" / "hazard-log.md": hazard_log(
            load_hazards(root / "docs" / "safety" / "hazards")
        ),
    }


def list_outdated_pages(root: Path = ROOT) -> list[Path]:
    """Returns the pages whose files differ from their current text."""
    return [
        path
        for path, text in build_pages(root).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Writes or checks the pages; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make docs", description="Write the generated pages.")
    parser.add_argument("--check", action="store_true", help="only say which pages are not current")
    checking = parser.parse_args().check
    old = list_outdated_pages()
    if not checking:
        for path, text in build_pages().items():
            path.write_text(text, encoding="utf-8")
    for path in old:
        sys.stdout.write(f"{'not current' if checking else 'written'}: {path.relative_to(ROOT)}\n")
    return 1 if checking and old else 0


if __name__ == "__main__":
    sys.exit(main())
