"""Checks what several files must agree on: metrics, dashboard and alerts; the drain and the time that is allowed for it."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"\b(?:quotefold|process)_[a-z_]+\b")
# what queries add to the name of a histogram
SERIES = re.compile(r"_(bucket|count|sum)$")
problems = []


def text(path):
    return (ROOT / path).read_text()


def metrics(query):
    # what stands within quotes or braces is labels
    return {SERIES.sub("", name) for name in NAME.findall(re.sub(r"\{[^}]*\}|\"[^\"]*\"", "", query))}


def expect(holds, problem):
    if not holds:
        problems.append(problem)


def check_metrics():
    cells = re.findall(r"^\| (`(?:quotefold|process)_[^|]*)\|", text("docs/deployment.md"), re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    dashboard = json.loads(text("deploy/grafana/quotefold.json"))
    panels = dashboard["panels"]
    expect(len({panel["id"] for panel in panels}) == len(panels), "two panels of the dashboard have the same id")
    shown = set()
    for panel in panels:
        for target in panel.get("targets", []):
            expect(target["datasource"]["uid"] == "${datasource}", f"{panel['title']}: the datasource is fixed")
            shown |= metrics(target["expr"])
        expect(panel["type"] == "row" or panel["description"], f"{panel['title']}: has no description")
    rules = text("deploy/prometheus/alerts.yml")
    alerting = set()
    for query in re.findall(r"expr: (.*?)\n +(?:for|labels):", rules, re.DOTALL):
        alerting |= metrics(query)
    for name in sorted((shown | alerting) - documented):
        problems.append(f"docs/deployment.md does not list {name}")
    for name in sorted(documented - shown):
        problems.append(f"the dashboard does not show {name}")
    names = re.findall(r"- alert: (\w+)", rules)
    tests = text("deploy/prometheus/alerts.test.yml")
    for name in names:
        expect(name in tests, f"no test knows the alert {name}")
    expect(len(names) == rules.count(" description:"), "an alert does not say what to do")


def check_drain():
    defaults = text("config/quotefold.toml")
    drain = sum(int(re.search(rf"^#{key} = \"(\d+)s\"", defaults, re.MULTILINE)[1]) for key in ("drain_delay", "drain_timeout"))
    for path, pattern in {
        "deploy/kubernetes/base/deployment.yaml": r"terminationGracePeriodSeconds: (\d+)",
        "deploy/compose/compose.yaml": r"stop_grace_period: (\d+)s",
        "deploy/systemd/quotefold.service": r"TimeoutStopSec=(\d+)",
    }.items():
        allowed = int(re.search(pattern, text(path))[1])
        expect(allowed >= drain + 3, f"{path} allows {allowed} s, but the drain alone takes {drain} s")


check_metrics()
check_drain()
print("\n".join(problems))
sys.exit(bool(problems))
