"""The worklist: safety first and oldest first; whoever is named on it is named in the audit, and nobody else."""

from fhir_pmp.store.work_items import WorkItem
from tests.integration.web.pages.day import Day, Visitor
from tests.integration.web.pages.reading import rows, words


def test_flags_stand_first_then_unanswered_items_then_what_waits(day: Day, ada: Visitor) -> None:
    day.finish("Tobias", "item9_blank")
    day.take_part("Nadia", until="start")
    day.refer("Willa")
    page = words(ada.get("/worklist").text)
    places = [
        page.index(part)
        for part in (
            "Safety flags nobody has acknowledged (1)",
            "Safety items not answered (1)",
            "Referrals to accept or decline (1)",
            "Letters to sign (1)",
            "To decide (0)",
            "Who is where",
        )
    ]
    assert places == sorted(places)
    assert "Sampleton, Nadia" in page
    assert "PHQ-9 item 9 (thoughts of being better off dead or of self-harm): several days (1)" in page
    assert "Specimen, Tobias , End of programme: not answered" in page


def test_the_oldest_flag_stands_first(day: Day, ada: Visitor) -> None:
    day.take_part(
        "Felix", until="post"
    )  # both his answers came on one day, one in the start's form, one in the last
    with day.store.read() as books:
        oldest_first = [flag.timepoint for flag in books.flags.list_open()]
    shown = [row for row in rows(ada.get("/worklist").text) if "Felix" in row]
    titles = {"start": "Start", "post": "End of programme"}
    assert len(shown) == 2
    assert all(titles[at] in row for at, row in zip(oldest_first, shown, strict=True))


def test_an_acknowledged_flag_leaves_the_worklist(day: Day, ada: Visitor) -> None:
    day.take_part("Nadia", until="start")
    with day.store.read() as books:
        (flag,) = books.flags.list_open()
    assert f"/flags/{flag.id}" in ada.get("/worklist").text
    ada.post(f"/flags/{flag.id}/acknowledge", {"action": "Telephoned the same day"})
    assert f"/flags/{flag.id}" not in ada.get("/worklist").text


def test_the_audit_names_exactly_those_who_are_shown(day: Day, ada: Visitor) -> None:
    day.finish("Kofi", "never_started")
    day.take_part("Nadia", until="start")
    day.refer("Willa")
    day.take_part("Otto", until="screening")  # nothing of him waits
    ada.get("/worklist")
    row = day.last_audited()
    assert (row.who, row.route, row.action, row.outcome) == (
        "account:account-ada",
        "/worklist",
        "read",
        "200",
    )
    assert set(row.persons) == {day.people["Nadia"], day.people["Willa"], day.people["Kofi"]}


def test_more_than_fifty_lines_are_counted_in_full_and_shown_as_far_as_fifty(day: Day, ada: Visitor) -> None:
    day.refer("Willa")
    items: list[WorkItem] = []
    with day.store.begin() as books:
        for number in range(60):
            items.append(
                books.work_items.open(
                    "delivery_refused",
                    about=f"delivery/{number}",
                    role="administrator",
                    what=f"line {number:02}",
                    now=day.clock(),
                )
            )
    page = words(ada.get("/worklist").text)
    assert "To decide (60)" in page
    assert "The 50 that have waited longest." in page
    assert "Line 49" in page
    assert "Line 50" not in page
