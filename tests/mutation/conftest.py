"""The score, at the end of the run."""


def pytest_terminal_summary(terminalreporter):
    scores = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "mutants" and report.when == "call"
    ]
    if scores:
        made, killed = (sum(column) for column in zip(*scores, strict=True))
        percent = 100 * killed / made
        terminalreporter.write_line(
            f"{killed} of {made} wrong rules told from the right ones ({percent:.3g} %), in {len(scores)} rules"
        )
