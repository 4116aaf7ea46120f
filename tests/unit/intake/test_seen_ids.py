"""The set of ids in a file: each is new once, however many there are."""

from fhir_pmp.intake.csv_import.seen_ids import SeenIds


def test_an_id_is_new_once() -> None:
    seen = SeenIds()
    assert [seen.add(name) for name in ("r1", "r2", "r1", "", "", "r2", "r10")] == [
        *(True, True, False, True, False, False, True)
    ]
    seen.close()


def test_the_table_grows_and_forgets_nothing() -> None:
    seen = SeenIds(slots=4)
    names = [f"PMP-{n}" for n in range(500)]
    assert all(seen.add(name) for name in names)
    assert not any(seen.add(name) for name in names)
    seen.close()


def test_what_is_not_utf_8_is_an_id_like_any_other() -> None:
    seen = SeenIds()
    broken = b"r\xe4".decode(errors="surrogateescape")
    assert seen.add(broken) and not seen.add(broken)
    seen.close()
