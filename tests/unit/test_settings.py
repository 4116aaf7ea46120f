"""Settings are read at the door: what is missing, malformed or misspelt is named, and no secret is shown."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhir_pmp.settings import SETTINGS, Settings, SettingsWrong, show_settings

SECRET = "a secret that is long enough to be one"
COMPLETE = {
    "FHIR_PMP_DATABASE_URL": "sqlite:///clinic.sqlite",
    "FHIR_PMP_CANONICAL_BASE": "https://example.org/pmp/",
    "FHIR_PMP_ID_SECRET": SECRET,
    "FHIR_PMP_SECRET_KEY": SECRET,
    "FHIR_PMP_CLINIC_ZONE": "Australia/Sydney",
}


def wrong(environment: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsWrong) as refused:
        Settings.from_environment(environment)
    return {fault.field: fault.what for fault in refused.value.faults}


def test_a_complete_environment_is_read_with_defaults_for_the_rest() -> None:
    settings = Settings.from_environment(COMPLETE)
    assert settings.canonical_base == "https://example.org/pmp"
    assert settings.clinic_zone == ZoneInfo("Australia/Sydney")
    assert settings.listen == ("127.0.0.1", 8000)
    assert settings.destinations == {}
    assert settings.mappings.is_dir()


def test_everything_that_is_missing_is_named_at_once() -> None:
    assert set(wrong({})) == set(COMPLETE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FHIR_PMP_DATABASE_URL", "mysql://somewhere"),
        ("FHIR_PMP_CANONICAL_BASE", "example.org"),
        ("FHIR_PMP_CANONICAL_BASE", "https://example.org/?a=b"),
        ("FHIR_PMP_ID_SECRET", "short"),
        ("FHIR_PMP_CLINIC_ZONE", "Australia/Atlantis"),
        ("FHIR_PMP_LISTEN", "8000"),
        ("FHIR_PMP_LISTEN", "127.0.0.1:99999"),
        ("FHIR_PMP_THREADS", "0"),
        ("FHIR_PMP_THREADS", "many"),
        ("FHIR_PMP_MAPPINGS", "/no/such/folder"),
        ("FHIR_PMP_WORDING", "/no/such/file"),
        ("FHIR_PMP_DESTINATIONS", "hapi"),
        ("FHIR_PMP_DESTINATIONS", "a=http://one.example,a=http://two.example"),
        ("FHIR_PMP_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named_and_never_repeated(name: str, value: str) -> None:
    faults = wrong({**COMPLETE, name: value})
    assert set(faults) == {name}
    assert value not in faults[name]


def test_a_misspelt_variable_is_refused_instead_of_leaving_its_default_in_force() -> None:
    assert "FHIR_PMP_CLINIC_ZONES" in wrong({**COMPLETE, "FHIR_PMP_CLINIC_ZONES": "Australia/Sydney"})


def test_a_secret_may_come_from_a_file_but_not_from_two_places(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    others = {name: value for name, value in COMPLETE.items() if name != "FHIR_PMP_ID_SECRET"}
    assert (
        Settings.from_environment({**others, "FHIR_PMP_ID_SECRET_FILE": str(file)}).id_secret
        == SECRET.encode()
    )
    assert "FHIR_PMP_ID_SECRET" in wrong({**COMPLETE, "FHIR_PMP_ID_SECRET_FILE": str(file)})
    assert "FHIR_PMP_ID_SECRET_FILE" in wrong({**others, "FHIR_PMP_ID_SECRET_FILE": str(tmp_path / "none")})


def test_every_setting_is_shown_with_where_it_came_from_and_secrets_stay_hidden() -> None:
    shown, faults = show_settings(COMPLETE)
    assert not faults
    assert [line.name for line in shown] == [setting.name for setting in SETTINGS]
    assert {line.came_from for line in shown} == {"environment", "default"}
    assert not any(SECRET in line.value for line in shown)
    assert SECRET not in repr(Settings.from_environment(COMPLETE))


def test_a_postgresql_address_means_the_driver_that_comes_with_us() -> None:
    settings = Settings.from_environment({**COMPLETE, "FHIR_PMP_DATABASE_URL": "postgresql://user@/clinic"})
    assert settings.database_url == "postgresql+psycopg://user@/clinic"
