"""Twelve invented GP practices, each with two or three invented GPs."""

from demo.people.person import Practice, Practitioner

PRACTICE_SYSTEM = "https://example.org/practice-id"
PROVIDER_SYSTEM = "https://example.org/provider-id"

_PLACES = (
    "Riverbend",
    "Quarry Hill",
    "Lighthouse Point",
    "Old Orchard",
    "Saltmarsh",
    "Two Bridges",
    "Windmill Lane",
    "Ferry Landing",
    "Copper Creek",
    "High Paddock",
    "Lantern Street",
    "Seven Oaks",
)
_GIVEN = (
    "Ada",
    "Basil",
    "Clio",
    "Dario",
    "Edda",
    "Fionn",
    "Greta",
    "Hamid",
    "Inês",
    "Jonah",
    "Kirra",
    "Lars",
)
# Family names of doctors are stones, of patients plants, so that no one takes them for real people.
_FAMILY = (
    "Agate",
    "Basalt",
    "Citrine",
    "Dolerite",
    "Emerald",
    "Flint",
    "Granite",
    "Hematite",
    "Ironstone",
    "Jasper",
    "Kyanite",
    "Lapis",
    "Marble",
    "Obsidian",
    "Quartz",
    "Slate",
    "Topaz",
)


def _luhn_check_digit(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def _practice(number: int) -> Practice:
    # Sixteen digits ending in a Luhn digit, as Australian organisation identifiers are, but under our own example system.
    digits = f"800362{number + 1:09d}"
    practitioners = tuple(
        Practitioner(
            provider_id=f"GP{number + 1:02d}{place + 1:02d}",
            given_name=_GIVEN[(number * 5 + place) % len(_GIVEN)],
            family_name=_FAMILY[(number * 3 + place) % len(_FAMILY)],
        )
        for place in range(2 + number % 2)
    )
    return Practice(
        identifier=digits + _luhn_check_digit(digits),
        name=f"{_PLACES[number]} Example Practice",
        practitioners=practitioners,
    )


PRACTICES: tuple[Practice, ...] = tuple(_practice(number) for number in range(len(_PLACES)))
