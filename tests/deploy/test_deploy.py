"""What the files of deploy/ name is there: metrics, headings, options, knobs, folders; their own tools take them."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from rolecall.cli import app
from rolecall.params import load_params
from serving.metrics import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "rolecall"
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana" / "rolecall.json").read_text())
PAGE = (ROOT / "docs" / "operations.md").read_text()


def metric_names(text: str) -> set[str]:
    return set(re.findall(r"\b(?:rolecall|process)_[a-z_]+\b", text))


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Names of every series that the service writes."""
    names: set[str] = set()
    for name, kind, _, _ in Metrics().described():
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {f"{name}{suffix}" for suffix in suffixes}
    return names


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_reads_metrics_that_there_are_and_has_a_runbook(rule: dict[str, Any], known: set[str]) -> None:
    assert metric_names(rule["expr"]) <= known
    page, _, heading = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/operations.md"
    assert heading in {
        re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", PAGE, re.M)
    }
    assert rule["labels"]["severity"] in ("page", "ticket")


def test_the_dashboard_reads_metrics_that_there_are(known: set[str]) -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    expressions += [a["expr"] for a in DASHBOARD["annotations"]["list"]]
    assert len(expressions) > 20
    for expression in expressions:
        assert metric_names(expression) and metric_names(expression) <= known, expression


def test_the_page_names_metrics_that_there_are(known: set[str]) -> None:
    shown = {name for name in metric_names(PAGE) if name != "rolecall_client"}
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known}
    assert shown <= known | bases


def commands() -> Iterator[tuple[str, list[str]]]:
    """Where a `rolecall` command stands, and its words."""
    docker = (DEPLOY / "docker" / "Dockerfile").read_text()
    yield "Dockerfile", json.loads(re.findall(r"^CMD (\[.*\])$", docker, re.M)[-1])
    yield "compose", compose()["services"]["rolecall"]["command"]
    unit = (DEPLOY / "systemd" / "rolecall.service").read_text()
    [line] = re.findall(r"^ExecStart=(.+)$", unit, re.M)
    yield "systemd", shlex.split(line)[1:]
    [args] = re.findall(r"^ +args: (\[.*\])$", (CHART / "templates" / "deployment.yaml").read_text(), re.M)
    yield "helm", yaml.safe_load(args)


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.mark.parametrize(("place", "words"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_command_is_one_that_the_command_line_takes(place: str, words: list[str]) -> None:
    group = typer.main.get_command(app)
    command = group.commands[words[0]]  # type: ignore[attr-defined]
    command.make_context(words[0], list(words[1:]))


def test_every_knob_of_the_environment_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [path.read_text() for path in DEPLOY.rglob("*") if path.is_file()]
    names = {name for text in texts for name in re.findall(r"ROLECALL_[A-Z_]+[A-Z]", text)} - {"ROLECALL_SERVE__NAME"}
    assert names >= {"ROLECALL_SERVE__SECURITY__KEYS", "ROLECALL_SERVE__SECURITY__OPEN_METRICS"}
    for name in names - {"ROLECALL_SERVE"}:
        monkeypatch.setenv(name, "true" if name.endswith("OPEN_METRICS") else "/some/file")
    params = load_params(ROOT / "params.yaml")
    assert params.serve.security.open_metrics and str(params.serve.security.keys) == "/some/file"


def test_the_image_is_made_of_what_there_is() -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M) for word in line.split()}
    assert all((ROOT / name).exists() for name in copied)
    packages = {
        path.parent.name
        for path in ROOT.glob("*/__init__.py")
        if any(
            re.fullmatch(p.replace("*", ".*"), path.parent.name)
            for p in project["tool"]["setuptools"]["packages"]["find"]["include"]
        )
    }
    assert packages <= copied
    [extras] = re.findall(r'"\.\[(.+)\]"', text)
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])
    assert "--constraint constraints.txt" in text
    assert re.findall(r"^USER (\d+)$", text, re.M)[-1] != "0"
    assert "/readyz" in text


def test_every_file_that_compose_mounts_is_there_and_nothing_but_loopback_is_open() -> None:
    services = compose()["services"]
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert (DEPLOY / services["rolecall"]["build"]["context"] / services["rolecall"]["build"]["dockerfile"]).is_file()


def rendered(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The chart's manifests by their kind, as Helm's own engine makes them."""
    from helm_python.chart import Chart

    with Chart.load(CHART) as chart:
        made = chart.render(values=values, name="jobs", namespace="board")
    manifests = [yaml.safe_load(text) for name, text in made.items() if name.endswith(".yaml") and text.strip()]
    return {f"{m['kind']}/{m['metadata']['name']}": m for m in manifests if m}


def test_helm_finds_nothing_wrong_with_the_chart() -> None:
    from helm_python.chart import lint

    report = lint(CHART, strict=True)
    assert report["errors"] == [] and all(message["severity"] < 2 for message in report["messages"])


def test_the_charts_parts_belong_together() -> None:
    made = rendered({"serve": {"deadline": 0.8}, "adapter": {"print": True}})
    deployment = made["Deployment/jobs"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    for selector in (
        deployment["selector"]["matchLabels"],
        made["Service/jobs"]["spec"]["selector"],
        made["PodDisruptionBudget/jobs"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    [container] = deployment["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in deployment["template"]["spec"]["volumes"]}
    [metric] = made["HorizontalPodAutoscaler/jobs"]["spec"]["metrics"]
    [rule] = yaml.safe_load(made["ConfigMap/jobs-adapter-rule"]["data"]["rule.yaml"])
    assert rule["name"]["as"] == metric["pods"]["metric"]["name"]
    assert "replicas" not in deployment  # else an upgrade would undo what the autoscaler did


def test_the_charts_knobs_are_those_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = {"traces": "http://collector:4318/v1/traces"}
    for name, value in rendered({"serve": {"deadline": 0.8, "telemetry": traced}})["ConfigMap/jobs"]["data"].items():
        assert isinstance(value, str)
        monkeypatch.setenv(name, value)
    knobs = load_params(ROOT / "params.yaml").serve
    assert (knobs.deadline, knobs.telemetry.traces) == (0.8, traced["traces"])


def test_the_chart_without_its_options_and_with_all_of_them() -> None:
    fixed = rendered({"autoscaling": {"enabled": False}, "replicas": 3})
    assert fixed["Deployment/jobs"]["spec"]["replicas"] == 3
    assert not any(kind.startswith("Horizontal") for kind in fixed)
    every = rendered({"ingress": {"enabled": True}, "monitor": {"enabled": True}})
    [rule] = every["Ingress/jobs"]["spec"]["rules"]
    assert [path["path"] for path in rule["http"]["paths"]] == ["/v1"]
    assert "PodMonitor/jobs" in every


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "rolecall.service").read_text()
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M)
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)  # a page that is there once it is installed
    unit = tmp_path / "rolecall.service"
    unit.write_text(text)
    found = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    told = [line for line in found.stderr.splitlines() if "rolecall.service" in line]
    assert (found.returncode, told) == (0, [])


def setting(name: str) -> list[str]:
    """Values of a setting of the unit, in their order."""
    return re.findall(rf"^{name}=(.*)$", (DEPLOY / "systemd" / "rolecall.service").read_text(), re.M)


def calls(names: Iterable[str]) -> set[str]:
    """System calls of names and of groups, as systemd expands them."""
    found: set[str] = set()
    for name in names:
        if name.startswith("@"):
            listed = subprocess.run(
                ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
            )
            inner = [line.strip() for line in listed.stdout.splitlines()[1:]]
            found |= calls(line for line in inner if line and not line.startswith("#"))
        else:
            found.add(name)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_lets_the_service_call_what_it_calls() -> None:
    allowed = calls(["@default"])
    for value in setting("SystemCallFilter"):
        allowed = allowed - calls(value[1:].split()) if value.startswith("~") else allowed | calls(value.split())
    # What the code calls beyond files, sockets and threads: `serving.http.state.give_way`, `fences.max_connections`.
    assert {"setpriority", "getpriority", "prlimit64", "getrlimit", "sched_getaffinity"} <= allowed
    assert not {"mount", "reboot", "chroot", "sched_setscheduler"} & allowed


def test_a_call_that_the_unit_forbids_fails_and_kills_nothing() -> None:
    assert setting("SystemCallErrorNumber") == ["EPERM"]


def test_the_page_that_the_unit_names_lies_where_its_first_lines_put_it() -> None:
    [page] = setting("Documentation")
    text = (DEPLOY / "systemd" / "rolecall.service").read_text()
    [source, target] = re.findall(r"install -D -m 644 (\S+) (\S+)", text)[0]
    assert (ROOT / source).is_file() and page == f"file://{target}"


def test_compose_mounts_the_folder_of_the_keys_since_the_file_is_replaced() -> None:
    service = compose()["services"]["rolecall"]
    keys = Path(service["environment"]["ROLECALL_SERVE__SECURITY__KEYS"])
    mounted = [re.sub(r"\$\{.*?\}", "SOURCE", volume).split(":")[1] for volume in service["volumes"]]
    assert str(keys.parent) in mounted and str(keys) not in mounted and not service.get("secrets")
    user = re.findall(r"^USER (\d+)$", (DEPLOY / "docker" / "Dockerfile").read_text(), re.M)[-1]
    assert f"chown -R {user}" in (ROOT / "docs" / "how-to" / "deploy.md").read_text()


def test_a_pod_gets_no_variables_of_a_service_that_is_called_rolecall() -> None:
    assert rendered({})["Deployment/jobs"]["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_the_jobs_of_the_monitor_and_of_compose_are_called_as_the_alerts_say() -> None:
    made = rendered({"monitor": {"enabled": True}})
    label = made["PodMonitor/jobs"]["spec"]["jobLabel"]
    assert made["Deployment/jobs"]["spec"]["template"]["metadata"]["labels"][label] == "rolecall"
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    assert [job["job_name"] for job in scraped] == ["rolecall"]
    [down] = [rule["expr"] for rule in ALERTS if rule["alert"] == "RolecallDown"]
    assert 'up{job="rolecall"}' in down


def test_an_age_that_nobody_can_read_is_an_alert_too() -> None:
    for rule in ALERTS:
        for gauge in set(re.findall(r"rolecall_\w+_timestamp_seconds", rule["expr"])):
            assert f"{gauge} != {gauge}" in rule["expr"], rule["alert"]  # NaN


def test_the_page_of_operations_names_the_stages_that_there_are() -> None:
    done_without = set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Degradations")[2].partition("\n## ")[0], re.M))
    in_code: set[str] = set()
    for path in (ROOT / "serving").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_stage = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_stage and ast.unparse(node.func.value) == "stages" and node.func.attr in ("run", "degrade", "late"):
                in_code.add(ast.literal_eval(node.args[0]))
    assert done_without == in_code
    for stage in re.findall(r'stage="(\w+)"', PAGE) + re.findall(r'degraded: \["(\w+)"\]', PAGE):
        assert stage in in_code, stage


@pytest.mark.parametrize("page", ["operations.md", "how-to/deploy.md", "how-to/secure.md"])
def test_the_commands_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    named = re.findall(r"(?:`|^|sudo )rolecall ((?:[a-z][a-z-]* ?)+)", text, re.M)
    named += re.findall(r"rolecall(?::local)? ((?:keys|features) [a-z-]+)", text)
    for words in named:
        group: Any = typer.main.get_command(app)
        for word in words.split():
            if not hasattr(group, "commands"):
                break
            assert word in group.commands, f"rolecall {words}"
            group = group.commands[word]


ALERT_CASES = {
    # alert: (series and their values each minute, when, whether it fires)
    "RolecallDown, its job is called otherwise": (
        "RolecallDown",
        {
            'up{job="pods",instance="a"}': "1x10 0x200",
            'rolecall_build_info{job="pods",instance="a"}': "1x10",
            'rolecall_build_info{job="pods",instance="b"}': "1x200",
        },
        "30m",
        1,
    ),
    "RolecallDown, nobody is scraped": ("RolecallDown", {'up{job="other",instance="b"}': "1x60"}, "30m", 1),
    "RolecallDown, another program is down": (
        "RolecallDown",
        {'up{job="other",instance="b"}': "0x60", 'rolecall_build_info{job="rolecall",instance="a"}': "1x60"},
        "30m",
        0,
    ),
    "RolecallFeedStopped, for two hours": (
        "RolecallFeedStopped",
        {'rolecall_feed_running{instance="a",feed="f"}': "0x150", 'rolecall_changes_total{instance="a"}': "7x150"},
        "2h",
        1,
    ),
    "RolecallFeedStopped, no feed": ("RolecallFeedStopped", {'rolecall_changes_total{instance="a"}': "7x150"}, "2h", 0),
    "RolecallFeaturesStale, never loaded": (
        "RolecallFeaturesStale",
        {'rolecall_features_materialized_timestamp_seconds{instance="a"}': " ".join(["NaN"] * 60)},
        "40m",
        1,
    ),
    "RolecallFeaturesStale, one of two": (
        "RolecallFeaturesStale",
        {
            'rolecall_features_materialized_timestamp_seconds{instance="a"}': "0x3000",
            'rolecall_features_materialized_timestamp_seconds{instance="b"}': "0+60x3000",
        },
        "40h",
        1,
    ),
}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not installed")
@pytest.mark.parametrize("case", ALERT_CASES)
def test_an_alert_fires_when_it_should(case: str, tmp_path: Path) -> None:
    alert, series, when, fires = ALERT_CASES[case]
    written = tmp_path / "case.yaml"
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                "eval_time": when,
                "exp_samples": [{"labels": "{}", "value": fires}],
            }
        ],
    }
    written.write_text(yaml.safe_dump({"rule_files": [str(DEPLOY / "prometheus" / "alerts.yaml")], "tests": [test]}))
    found = subprocess.run(["promtool", "test", "rules", written], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not installed")
def test_prometheus_takes_the_alerts() -> None:
    subprocess.run(["promtool", "check", "rules", DEPLOY / "prometheus" / "alerts.yaml"], check=True)
