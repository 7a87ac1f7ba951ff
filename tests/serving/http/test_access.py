"""Who may ask what over HTTP, as a table of every route and by real requests with keys and tokens."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.errors import BadInput, NotReady
from contracts.workspace import Workspace
from serving.access.config import SecurityConfig
from serving.access.keys import SCOPES, limit_key, new_key, revoke_key
from serving.access.tokens import member_token, new_secret, read_secret
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.access import RULES, needed, tagged_routes
from serving.http.app import ROUTERS, create_app
from serving.http.guard import HEADERS, require_guarded
from serving.http.run import running, serve
from tests.make import refused

OPEN_ROUTES = {"/", "/healthz", "/readyz", "/docs", "/openapi.json", "/console.css", "/console.js"}

SCOPE_OF = {
    "/v1/recommend": ("serve",),
    "/v1/search": ("serve",),
    "/v1/similar": ("serve",),
    "/v1/surfaces/home": ("serve",),
    "/v1/next": ("serve",),
    "/v1/rerank": ("serve",),
    "/v1/suggestions": ("serve",),
    "/v1/candidates": ("recruiter",),
    "/v1/events": ("events",),
    "/v1/members/m1": ("admin",),
    "/v1/admin/swap": ("admin",),
    "/v1/admin/rollback": ("admin",),
    "/metrics": ("admin",),
    "/console": ("console", "grade"),
    "/console/why/a/b": ("console", "grade"),
}


def _routes(routers: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Method and path of every route of the routers and of those in them."""
    for router in routers:
        for route in router.routes:
            if hasattr(route, "methods"):
                yield from ((method, route.path) for method in route.methods or ())
            else:
                yield from _routes([route.original_router])


def test_every_route_says_its_scope_and_only_the_stated_ones_are_open() -> None:
    tagged = tagged_routes(ROUTERS)
    routes = set(_routes(ROUTERS)) | {("GET", "/openapi.json")}
    assert len(routes) > 10
    for method, path in routes:
        ruled = any(path == rule.path or path.startswith(f"{rule.path}/") for rule in RULES) or path == "/"
        stated = any(of == method and pattern.match(path) for of, pattern, _ in tagged)
        assert ruled or stated, f"{path} has neither a rule nor an x-scope"
        assert bool(needed(method, path, tagged)) != (path in OPEN_ROUTES), path
    assert {scope for _, _, scope in tagged} <= set(SCOPES)
    for path, scope in SCOPE_OF.items():
        assert needed("POST" if path.startswith("/v1") else "GET", path, tagged) == scope


def test_a_key_that_may_look_at_the_console_may_not_grade_there() -> None:
    for path in ("grade/save", "rules/save", "agreement/settle"):
        assert needed("POST", f"/console/{path}") == ("grade",)
    assert "console" in needed("GET", "/console/grade") and "console" in needed("POST", "/console")


def test_what_no_rule_names_is_for_administrators() -> None:
    assert needed("GET", "/debug") == ("admin",)
    assert needed("POST", "/healthz") == ("admin",)
    assert needed("GET", "/console.css/../v1") != () or needed("GET", "/consolex") == ("admin",)
    assert needed("GET", "/v1/searching") == ("admin",)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A file of keys, one a scope by the scope's name, and one that asks by tokens alone."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    found = {scope: new_key(path, scope, [scope])[1] for scope in SCOPES}
    found["browser"] = new_key(path, "browser", ["serve", "events"], by_token=True)[1]
    found["slow"] = new_key(path, "slow", ["serve"], per_second=0.1)[1]
    found["other"] = new_key(path, "other", ["serve"])[1]
    new_secret(path.with_name("secret"))
    return path, found


@pytest.fixture(scope="session")
def guarded(
    market: Workspace, tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, dict[str, str]]
) -> Iterator[httpx.Client]:
    """A service with keys and a secret of members' tokens."""
    import shutil

    root = tmp_path_factory.mktemp("guarded") / "market"
    shutil.copytree(market.root, root)
    (root / "surfaces").mkdir()
    sourcing = "name: sourcing\nsummary: Jobs\nasks: query\nobjective: search\nscope: recruiter\n"
    (root / "surfaces" / "sourcing.yaml").write_text(sourcing)
    security = SecurityConfig(keys=keys[0], member_secret=keys[0].with_name("secret"))
    engine = Engine(Workspace(root), ServeConfig(deadline=60, security=security))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def _bearer(secret: str, token: str = "") -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} | ({"X-Member-Token": token} if token else {})


@pytest.fixture(scope="session")
def token(keys: tuple[Path, dict[str, str]], member_ids: list[str]) -> str:
    return member_token(read_secret(keys[0].with_name("secret")), member_ids[0], 5)


def test_a_service_with_keys_answers_health_alone_without_one(guarded: httpx.Client) -> None:
    assert guarded.get("/healthz").status_code == 200
    for path in ("/metrics", "/console", "/v1/explain/a/b", "/nowhere"):
        answer = guarded.get(path)
        assert answer.status_code == 401 and answer.json()["reason"] == "no_key", path
    for path in ("/v1/recommend", "/v1/search", "/v1/events"):
        assert guarded.post(path, json={"k": 1}).status_code == 401
    for wrong in ("Bearer", "Bearer rk_00000000_x", "Basic !!", "Digest x", "Basic " + base64.b64encode(b"x").decode()):
        assert guarded.get("/metrics", headers={"Authorization": wrong}).status_code == 401


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_the_routes_of_its_scope_and_no_others(
    guarded: httpx.Client, keys: tuple[Path, dict[str, str]], scope: str
) -> None:
    headers = _bearer(keys[1][scope])
    asked = {
        "serve": guarded.post("/v1/recommend", json={"k": 1}, headers=headers),
        "events": guarded.post("/v1/events", json=[], headers=headers),
        "recruiter": guarded.post("/v1/candidates", json={"job_id": "nobody"}, headers=headers),
        "console": guarded.get("/console", headers=headers),
        "admin": guarded.get("/metrics", headers=headers),
    }
    opens = {"grade": "console"}.get(scope, scope)
    for of, answer in asked.items():
        assert (answer.status_code != 403) == (of == opens), f"{of} with {scope}: {answer.status_code}"
        if of != opens:
            assert answer.json()["reason"] == "forbidden"


def test_a_surface_of_another_scope_needs_that_too(guarded: httpx.Client, keys: tuple[Path, dict[str, str]]) -> None:
    headers = _bearer(keys[1]["serve"])
    answer = guarded.post("/v1/surfaces/sourcing", json={"query": "nurse"}, headers=headers)
    assert answer.status_code == 403 and answer.json()["reason"] == "forbidden"
    assert guarded.post("/v1/surfaces/search", json={"query": "nurse", "k": 1}, headers=headers).status_code == 200


def test_a_further_page_is_for_the_member_and_key_of_the_first(
    guarded: httpx.Client, keys: tuple[Path, dict[str, str]], token: str
) -> None:
    own = _bearer(keys[1]["browser"], token)
    first = guarded.post("/v1/recommend", json={"k": 2}, headers=own).json()
    page = {"request_id": first["request_id"], "k": 2}
    assert [job["rank"] for job in guarded.post("/v1/next", json=page, headers=own).json()["results"]] == [3, 4]
    for headers in (_bearer(keys[1]["other"]), _bearer(keys[1]["browser"])):
        assert guarded.post("/v1/next", json=page, headers=headers).status_code in (403, 404)


def test_a_browser_may_send_the_key_as_the_password_of_basic(
    guarded: httpx.Client, keys: tuple[Path, dict[str, str]]
) -> None:
    assert guarded.get("/console").headers["WWW-Authenticate"].startswith("Basic")
    assert guarded.get("/console", auth=("anybody", keys[1]["console"])).status_code == 200


def test_a_revoked_key_is_refused_at_once(guarded: httpx.Client, keys: tuple[Path, dict[str, str]]) -> None:
    key, secret = new_key(keys[0], "brief", ["serve"])
    assert guarded.post("/v1/recommend", json={"k": 1}, headers=_bearer(secret)).status_code == 200
    revoke_key(keys[0], key.id)
    assert guarded.post("/v1/recommend", json={"k": 1}, headers=_bearer(secret)).status_code == 401


def test_a_key_that_asks_too_often_is_told_when_to_come_back(
    guarded: httpx.Client, keys: tuple[Path, dict[str, str]]
) -> None:
    asked = [guarded.post("/v1/recommend", json={"k": 1}, headers=_bearer(keys[1]["slow"])) for _ in range(3)]
    assert asked[0].status_code == 200 and asked[-1].status_code == 429
    assert int(asked[-1].headers["Retry-After"]) >= 1 and asked[-1].json()["reason"] == "too_many_requests"


def test_a_key_by_token_asks_as_the_tokens_member_alone(
    guarded: httpx.Client, keys: tuple[Path, dict[str, str]], token: str, member_ids: list[str]
) -> None:
    mine, other = member_ids[:2]
    headers = _bearer(keys[1]["browser"], token)
    assert guarded.post("/v1/recommend", json={"member_id": mine, "k": 1}, headers=headers).status_code == 200
    assert guarded.post("/v1/recommend", json={"k": 1}, headers=headers).json()["member_known"] is True
    assert guarded.post("/v1/recommend", json={"member_id": other, "k": 1}, headers=headers).status_code == 403
    for member, status in ((mine, 200), ("", 200), (other, 403)):
        asked = {"query": "nurse", "member_id": member}
        assert guarded.post("/v1/suggestions", json=asked, headers=headers).status_code == status
    without = _bearer(keys[1]["browser"])
    assert guarded.post("/v1/recommend", json={"member_id": mine, "k": 1}, headers=without).status_code == 403
    assert guarded.post("/v1/recommend", json={"k": 1}, headers=without).status_code == 200
    broken = _bearer(keys[1]["browser"], token[:-3])
    assert guarded.post("/v1/recommend", json={"k": 1}, headers=broken).json()["reason"] == "bad_member_token"


def test_a_token_posts_events_of_its_member_alone(
    guarded: httpx.Client, keys: tuple[Path, dict[str, str]], token: str, member_ids: list[str]
) -> None:
    headers = _bearer(keys[1]["browser"], token)
    shown = guarded.post("/v1/recommend", json={"k": 2}, headers=headers).json()
    job = shown["results"][0]["job_id"]
    mine = {"request_id": shown["request_id"], "job_id": job, "action": "view"}
    theirs = {"member_id": member_ids[1], "job_id": job, "action": "dismiss", "reason": "bad_company"}
    reply = guarded.post("/v1/events", json=[mine, theirs], headers=headers).json()
    assert (reply["accepted"], reply["reasons"][0]["reason"]) == (1, "other_member")


def test_an_answer_is_explained_to_who_asked_for_it(
    guarded: httpx.Client, keys: tuple[Path, dict[str, str]], token: str, member_ids: list[str]
) -> None:
    asked = guarded.post(
        "/v1/recommend", json={"member_id": member_ids[3], "k": 1}, headers=_bearer(keys[1]["serve"])
    ).json()
    path = f"/v1/explain/{asked['request_id']}/{asked['results'][0]['job_id']}"
    assert guarded.get(path, headers=_bearer(keys[1]["serve"])).status_code == 200
    for others in (_bearer(keys[1]["other"]), _bearer(keys[1]["browser"], token), _bearer(keys[1]["serve"], token)):
        answer = guarded.get(path, headers=others)
        assert answer.status_code == 404 and answer.json()["reason"] == "unknown_answer"


def test_an_address_that_others_reach_needs_keys_or_a_proxy_that_is_named(
    market: Workspace, keys: tuple[Path, dict[str, str]]
) -> None:
    with refused(BadInput, "0.0.0.0", "rolecall keys new", where="--host"):
        serve(market, host="0.0.0.0", port=0)
    for host in ("127.0.0.1", "127.0.0.5", "::1", "localhost"):
        require_guarded(host, SecurityConfig())
    require_guarded("0.0.0.0", SecurityConfig(keys=keys[0]))
    require_guarded("0.0.0.0", SecurityConfig(behind_proxy=True))


def test_a_service_does_not_start_without_the_keys_that_it_is_told_of(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path / "none"):
        create_app(Future(), config=ServeConfig(security=SecurityConfig(keys=tmp_path / "none")))


def test_a_name_that_is_not_this_machines_is_not_answered(client: httpx.Client) -> None:
    for name in ("evil.example", "evil.example:80", "", "127.0.0.1.evil.example"):
        answer = client.get("/healthz", headers={"Host": name})
        assert answer.status_code == 400, name
    assert client.get("/healthz", headers={"Host": "evil.example"}).json()["reason"] == "unknown_host"
    assert client.get("/healthz", headers={"Host": "localhost:9"}).status_code == 200


def test_probes_ask_by_address_whatever_names_members_ask_by(engine: Engine) -> None:
    config = ServeConfig(security=SecurityConfig(hosts=("jobs.example.com",)))
    with running(engine, config=config) as url, httpx.Client(base_url=url) as client:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200, path
        assert client.get("/console").json()["reason"] == "unknown_host"
        assert client.get("/healthz/..%2Fconsole").json()["reason"] == "unknown_host"
        assert client.get("/openapi.json", headers={"Host": "Jobs.Example.com:443"}).status_code == 200


def test_a_line_of_a_request_names_its_key_so_that_the_one_who_asks_too_much_is_found(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    key, secret = new_key(path, "site", ["serve"])
    config = ServeConfig(security=SecurityConfig(keys=path))
    with (
        caplog.at_level(logging.INFO, "rolecall.service"),
        running(engine, config=config) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}) as client,
    ):
        assert client.post("/v1/search", json={"query": "nurse"}).status_code == 200
        limit_key(path, key.id, 0.1)
        assert [client.post("/v1/search", json={"query": "nurse"}).status_code for _ in range(2)] == [200, 429]
    lines = [json.loads(record.getMessage()) for record in caplog.records if '"request"' in record.getMessage()]
    assert [line["key"] for line in lines if line["path"] == "/v1/search"] == [key.id] * 2
    assert secret not in caplog.text


def test_every_answer_carries_the_headers_and_none_of_cors(client: httpx.Client) -> None:
    for answer in (
        client.get("/healthz", headers={"Origin": "https://evil.example"}),
        client.get("/nowhere"),
        client.post("/v1/recommend", content=b"{", headers={"Content-Type": "application/json"}),
        client.post("/v1/recommend", json={"k": 1}),
        client.get("/console"),
    ):
        assert not set(HEADERS) - {name.title() for name in answer.headers} - {"X-Frame-Options"}
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_the_docs_page_needs_no_script_and_no_other_host(client: httpx.Client) -> None:
    answer = client.get("/docs")
    assert answer.status_code == 200 and "script" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script|https?://|\sstyle=|\son\w+=", answer.text)
    for said in ("POST /v1/recommend", "member_id", "list of", "Scope of the key: serve"):
        assert said in answer.text, said


def test_an_error_is_bounded_and_names_no_folder_of_the_machine(client: httpx.Client) -> None:
    from serving.http.problems import problem_answer

    long = client.post("/v1/recommend", json={"filter": {"all": [{"attribute": "x" * 900_000, "any_of": ["a"]}]}})
    assert long.status_code == 400 and len(long.content) < 3_000
    body = bytes(
        problem_answer(503, "r", "5 events could not be written to /srv/w/logs/events (ask /v1/explain/a/b)").body
    )
    assert b"/srv" not in body and b"events" in body and b"/v1/explain/a/b" in body
