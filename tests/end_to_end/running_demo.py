"""A real EHR with a database of its own and the whole house before it, shared by the end-to-end tests: each brings people of its own."""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from demo.ehr import Ehr
from demo.page_client import PageClient
from demo.people import Person, cohort, write_wide_csv
from demo.report import DemoResult
from demo.run_folder import RunFolder
from demo.service import DemoService
from tests.ehr_comparison import ComparisonReport, check, read_sent_from_sqlite
from tests.hapi.server import HapiServer

LEASE_SECONDS = 180
"""What a killed sync had taken is free again after this long."""


@dataclass
class RunningDemo:
    """HAPI, the service, and what the demo printed in its first run."""

    server: HapiServer
    run_folder: RunFolder
    ehr: Ehr
    service: DemoService
    result: DemoResult

    @property
    def database(self) -> Path:
        """The house's."""
        return self.run_folder.folder / "fhir_pmp.sqlite"

    def states(self) -> dict[str, int]:
        """How many deliveries stand where."""
        return dict(self.read("SELECT state, count(*) FROM outbox GROUP BY state"))

    def read(self, query: str, *values: object) -> list[tuple[str, int]]:
        """What stands in the house's database."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def compare(self) -> ComparisonReport:
        """Walks every page of the EHR and compares each resource with the bytes last sent."""
        return check(self.ehr.base, read_sent_from_sqlite(str(self.database), self.ehr.destination))

    def pages(self) -> PageClient:
        """The pages, with the demo's clinician logged in."""
        pages = PageClient(self.service.address)
        pages.log_in(self.result.login, self.result.password)
        return pages

    def hand_in(self, people: list[Person], name: str) -> str:
        """The programme's export of these people; what the import said."""
        file = self.run_folder.folder / name
        with file.open("w", encoding="utf-8", newline="") as opened:
            write_wide_csv(people, opened)
        return self.service.run("import", str(file), "--source", "redcap-wide")

    def people(self, first: int, last: int) -> list[Person]:
        """Some of the demo's people, by their place in the cohort."""
        state = self.run_folder.state
        return list(cohort(last, seed=state.seed, today=self.run_folder.today))[first:last]

    def wait_until_delivery_is_in_progress(self) -> None:
        """Returns in the middle of a push: some of it is there, some on its way, some still to go."""
        sent = self.states()["sent"]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            states = self.states()
            is_in_progress = states.get("in_flight", 0) > 0 and states.get("pending", 0) > 0
            if is_in_progress and states["sent"] > sent:
                return
            time.sleep(0.01)
        raise AssertionError(f"no push was seen in its middle: {self.states()}")

    def wait_until_all_delivered(self, within: float = LEASE_SECONDS + 120) -> None:
        """Returns once nothing is pending or on its way."""
        deadline = time.monotonic() + within
        while (states := self.states()).get("pending") or states.get("in_flight"):
            assert time.monotonic() < deadline, f"still due: {states}"
            time.sleep(0.2)
