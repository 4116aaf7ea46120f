"""Reads the settings from the environment once, at start; a wrong variable stops the program."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhir_pmp.errors import Fault, FhirPmpError
from fhir_pmp.identifiers import MIN_SECRET_BYTES, DestinationId

PREFIX = "FHIR_PMP_"
PACKAGED_MAPPINGS = Path(__file__).parent / "_mappings"
SOURCE_TREE_MAPPINGS = Path(__file__).parent.parent / "mappings"


class SettingsWrong(FhirPmpError):
    """The environment does not hold what the program needs. The operator corrects the named variables."""


class _InvalidValue(ValueError):
    """The fault of one value; its text does not repeat the value."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable: its name without the prefix, its purpose, and how to read its text."""

    field: str
    about: str
    read: Callable[[str], object]
    default: str | None = None  # None: the variable is required
    secret: bool = False  # may also come from a file named by NAME_FILE; never shown

    @property
    def name(self) -> str:
        """The environment variable."""
        return PREFIX + self.field.upper()


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One line of `fhir-pmp settings`."""

    name: str
    value: str
    came_from: str
    about: str


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise _InvalidValue("is not an http or https address without query")
    return text.rstrip("/")


def _database(text: str) -> str:
    scheme = text.partition(":")[0]
    if scheme not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise _InvalidValue("is neither sqlite:///FILE nor postgresql://…")
    return text.replace("postgresql://", "postgresql+psycopg://", 1)


def _secret(text: str) -> bytes:
    if len(text.encode()) < MIN_SECRET_BYTES:
        raise _InvalidValue(f"has fewer than {MIN_SECRET_BYTES} bytes")
    return text.encode()


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise _InvalidValue("is not a zone of the IANA database, such as Australia/Sydney") from None


def _folder(text: str) -> Path:
    if text:
        if not Path(text).is_dir():
            raise _InvalidValue("is not a folder")
        return Path(text)
    return PACKAGED_MAPPINGS if PACKAGED_MAPPINGS.is_dir() else SOURCE_TREE_MAPPINGS


def _optional_file(text: str) -> Path | None:
    if text and not Path(text).is_file():
        raise _InvalidValue("is not a file")
    return Path(text) if text else None


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise _InvalidValue(f"is not a whole number from {lowest} to {highest}")
        return int(text)

    return read


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise _InvalidValue("is not HOST:PORT")
    return host, int(port)


def _destinations(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, address = entry.partition("=")
        if not name or name in found:
            raise _InvalidValue("is not NAME=URL,NAME=URL with each name once")
        found[name] = _url(address)
    return found


def _signing_keys(text: str) -> Mapping[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, files = entry.partition("=")
        paths = tuple(Path(file) for file in files.split("+"))
        if not name or name in found or not all(path.is_file() for path in paths):
            raise _InvalidValue(
                "is not NAME=FILE or NAME=FILE+FILE,… with each name once and files that are there"
            )
        found[name] = paths
    return found


def _hook_secrets(text: str) -> Mapping[DestinationId, bytes]:
    found: dict[DestinationId, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        name, _, secret = entry.partition("=")
        if not name or DestinationId(name) in found or len(secret.encode()) < MIN_SECRET_BYTES:
            raise _InvalidValue(
                f"is not NAME=SECRET,… with each name once and {MIN_SECRET_BYTES} bytes or more each"
            )
        found[DestinationId(name)] = secret.encode()
    return found


def _level(text: str) -> str:
    if text not in ("debug", "info", "warning", "error"):
        raise _InvalidValue("is not one of debug, info, warning, error")
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting("database_url", "where everything is kept: sqlite:///FILE or postgresql://…", _database),
    Setting(
        "canonical_base", "the URI our definitions and identifier systems begin with; never change it", _url
    ),
    Setting("id_secret", "the key our ids are computed with; never rotated", _secret, secret=True),
    Setting("secret_key", "signs the clinicians' form tokens; may be rotated", _secret, secret=True),
    Setting("clinic_zone", "the zone a date is judged in, such as Australia/Sydney", _zone),
    Setting("public_url", "the address under which others reach this service", _url, "http://127.0.0.1:8000"),
    Setting("listen", "HOST:PORT that `serve` listens on", _listen, "127.0.0.1:8000"),
    Setting("threads", "requests that `serve` works on at once", _number(1, 64), "8"),
    Setting("mappings", "the folder of mappings; empty: those that came with the program", _folder, ""),
    Setting("wording", "a file with licensed item wording, merged at load", _optional_file, ""),
    Setting(
        "destinations",
        "EHRs we push to: NAME=URL,…; NAME is a file of mappings/destinations",
        _destinations,
        "",
    ),
    Setting(
        "signing_keys",
        "private keys (PEM) we sign in at EHRs with: NAME=FILE+FILE,…; the first signs, all are shown in the JWKS",
        _signing_keys,
        "",
    ),
    Setting("sync_seconds", "how often `sync` looks for work", _number(1, 3600), "5"),
    Setting("pull_seconds", "how often `sync` asks each EHR what changed there", _number(1, 86400), "60"),
    Setting(
        "hook_secrets",
        "what the webhooks of EHRs prove themselves with: NAME=SECRET,…; NAME as in the destinations",
        _hook_secrets,
        "",
        secret=True,
    ),
    Setting(
        "unacknowledged_days",
        "after so many days without an EHR's acknowledgement a person is told",
        _number(1, 30),
        "3",
    ),
    Setting(
        "drain_per_second",
        "lanes a second begun at most to an EHR, one a person, while an outage or a replay drains",
        _number(1, 1000),
        "10",
    ),
    Setting("connections", "connections each `sync` process opens to one EHR at most", _number(1, 16), "4"),
    Setting("proxy_hops", "trusted proxies in front of `serve`", _number(0, 5), "0"),
    Setting(
        "idle_minutes", "a clinician is logged out after this long without a click", _number(1, 60), "15"
    ),
    Setting("log_level", "debug, info, warning or error", _level, "info"),
)


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The values of all settings. Only app, schedule, runtime and cli read it."""

    database_url: str
    canonical_base: str
    id_secret: bytes
    secret_key: bytes
    clinic_zone: ZoneInfo
    public_url: str
    listen: tuple[str, int]
    threads: int
    mappings: Path
    wording: Path | None
    destinations: Mapping[str, str]
    signing_keys: Mapping[str, tuple[Path, ...]]
    sync_seconds: int
    pull_seconds: int
    hook_secrets: Mapping[DestinationId, bytes]
    unacknowledged_days: int
    drain_per_second: int
    connections: int
    proxy_hops: int
    idle_minutes: int
    log_level: str

    def __repr__(self) -> str:
        return "Settings(hidden)"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Reads every setting. Raises SettingsWrong that names each wrong, missing or unknown variable."""
        found, _, faults = _read_all(os.environ if environment is None else environment)
        if faults:
            raise SettingsWrong(faults=faults)
        return cls(**{field.name: found[field.name] for field in fields(cls)})  # type: ignore[arg-type]


def show_settings(environment: Mapping[str, str] | None = None) -> tuple[list[SettingLine], list[Fault]]:
    """Returns each setting with its value (secrets hidden) and origin, and all faults."""
    _, shown, faults = _read_all(os.environ if environment is None else environment)
    return shown, faults


def _read_all(environment: Mapping[str, str]) -> tuple[dict[str, object], list[SettingLine], list[Fault]]:
    found: dict[str, object] = {}
    shown: list[SettingLine] = []
    faults = _unknown(environment)
    for setting in SETTINGS:
        text, came_from, fault = _text_of(setting, environment)
        if fault is None and text is not None:
            try:
                found[setting.field] = setting.read(text)
            except _InvalidValue as wrong:
                fault = Fault(setting.name, str(wrong))
        if fault is not None:
            faults.append(fault)
        value = "(hidden)" if setting.secret and text is not None else (text or "")
        shown.append(SettingLine(setting.name, value, came_from, setting.about))
    return found, shown, faults


def _text_of(setting: Setting, environment: Mapping[str, str]) -> tuple[str | None, str, Fault | None]:
    """Returns the text of a setting, its origin, and its fault."""
    file_name = setting.name + "_FILE"
    if setting.secret and file_name in environment:
        if setting.name in environment:
            return None, "twice", Fault(setting.name, f"is set beside {file_name}: keep one of them")
        try:
            return Path(environment[file_name]).read_text(encoding="utf-8").strip(), "file", None
        except (OSError, UnicodeDecodeError):
            return None, "file", Fault(file_name, "names a file that cannot be read")
    if setting.name in environment:
        return environment[setting.name], "environment", None
    if setting.default is None:
        return None, "missing", Fault(setting.name, f"is not set: {setting.about}")
    return setting.default, "default", None


def _unknown(environment: Mapping[str, str]) -> list[Fault]:
    # A misspelt variable would silently leave its default in force.
    known = {s.name for s in SETTINGS} | {s.name + "_FILE" for s in SETTINGS if s.secret} | set(NOT_SETTINGS)
    return [
        Fault(n, "is no setting of this program")
        for n in sorted(environment)
        if n.startswith(PREFIX) and n not in known
    ]


NOT_SETTINGS = ("FHIR_PMP_TEST_EHR", "FHIR_PMP_CRASH_AT", "FHIR_PMP_TEST_BUILD")
"""Names under our prefix that only tests read."""
