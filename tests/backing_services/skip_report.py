"""A pytest plugin: what the machine lacks is counted by name, and under CI=true a test left out fails the run."""

from collections import Counter

import pytest

from tests.backing_services.dependency_missing import in_ci


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names each missing part and how many tests wait for it."""
    skip_reasons: Counter[str] = Counter()
    for report in _skipped(terminalreporter):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skip_reasons[reason.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(skip_reasons.items()):
        terminalreporter.write_line(f"{count} not run: {reason}", yellow=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Under CI=true a run that left a test out has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    left_out = _skipped(reporter) if reporter is not None else []
    if in_ci() and left_out and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _skipped(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    return list(reporter.stats.get("skipped", []))
