"""Draws the identity of a synthetic person: name, birth date, sex and Medicare number."""

from datetime import date, timedelta
from random import Random

from demo.people.person import Sex

MEDICARE_SYSTEM = "http://ns.electronichealth.net.au/id/medicare-number"

GIVEN_NAMES: dict[Sex, tuple[str, ...]] = {
    "female": (
        "Alice", "Beatrix", "Chiara", "Daphne", "Esther", "Freya", "Grace", "Hoa", "Ingrid", "Jarrah", "Kavita", "Leila",
        "Miriam", "Noor", "Olive", "Priya", "Renée", "Siân", "Tamsin", "Ursula", "Violet", "Wren", "Yolanda", "Zoë",
    ),
    "male": (
        "Arlo", "Bruno", "Cyrus", "Dominic", "Elias", "Felix", "Gethin", "Hugo", "Ivan", "Jasper", "Kofi", "Łukasz",
        "Matteo", "Nikhil", "Otto", "Pedro", "Quentin", "Rafael", "Søren", "Tomás", "Umar", "Victor", "Wei", "Yusuf",
    ),
    "other": ("Ash", "Blake", "Charlie", "Indigo", "Kit", "River", "Robin", "Sage"),
    "unknown": ("Alex", "Frankie", "Jules", "Morgan", "Quinn", "Remy", "Sam", "Taylor"),
}  # fmt: skip
FAMILY_NAMES = (
    "Acacia", "Anigozanthos", "Banksia", "Boronia", "Brachychiton", "Callistemon", "Casuarina", "Correa", "Crowea",
    "Darwinia", "Dianella", "Dryandra", "Epacris", "Eremophila", "Eucalypt", "Grevillea", "Hakea", "Hardenbergia",
    "Isopogon", "Kunzea", "Leschenaultia", "Lomandra", "Melaleuca", "Mulga", "Myoporum", "Pandorea", "Patersonia",
    "Pimelea", "Quandong", "Rulingia", "Saltbush", "Spinifex", "Telopea", "Themeda", "Thryptomene", "Viminaria",
    "Waratah", "Wattle", "Westringia", "Xanthorrhoea", "O'Wattle", "van der Hakea", "Banksia-Correa",
)  # fmt: skip

# Cumulative shares: assumptions of this demonstration, because the abstract of the study gives none.
_SEX_SHARES: tuple[tuple[Sex, float], ...] = (
    ("female", 0.66),
    ("male", 0.98),
    ("other", 0.99),
    ("unknown", 1.0),
)
_AGE_MEAN, _AGE_SD, _AGE_YOUNGEST, _AGE_OLDEST = 47.0, 14.0, 18.5, 88.0
_SHARE_WITH_MEDICARE = 0.93

_MEDICARE_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9)
_MEDICARE_STEM = 50_000_000


def draw_sex(rng: Random) -> Sex:
    """Draws one of the export's four values, by the shares above."""
    drawn = rng.random()
    return next(sex for sex, up_to in _SEX_SHARES if drawn < up_to)


def draw_name(rng: Random, sex: Sex) -> tuple[str, str]:
    """Draws given and family name.

    Every family name is a plant, so that no one takes it for a real patient's.
    """
    return rng.choice(GIVEN_NAMES[sex]), rng.choice(FAMILY_NAMES)


def draw_birth_date(rng: Random, enrolled_on: date) -> date:
    """Draws an adult's birth date from the age in years at enrolment."""
    age = min(_AGE_OLDEST, max(_AGE_YOUNGEST, rng.gauss(_AGE_MEAN, _AGE_SD)))
    return enrolled_on - timedelta(days=round(age * 365.25))


def draw_medicare_number(rng: Random, number: int) -> str | None:
    """Returns the eleven digits of person `number`; None for the few without a card.

    Two people never share one: the stem is a one-to-one function of the person's place in the cohort.
    The check digit follows NEHTA, Use of Healthcare Identifiers in Health Software Systems, 1.4 (2011).
    """
    issue, place_on_card = rng.randint(1, 3), rng.randint(1, 5)
    if rng.random() >= _SHARE_WITH_MEDICARE:
        return None
    # 7 654 321 is coprime to the size of the range, so multiplying permutes it. The first digit is 2 to 6.
    stem = str(20_000_000 + (number * 7_654_321 + 1_234_567) % _MEDICARE_STEM)
    check = sum(int(digit) * weight for digit, weight in zip(stem, _MEDICARE_WEIGHTS, strict=True)) % 10
    return f"{stem}{check}{issue}{place_on_card}"
