"""The review's server: loopback, token, Host, Origin, nothing but this audit's samples."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import labelaudit
from labelaudit import LabelAuditError
from labelaudit.reviewing.opening import Review, open_review
from tests.review.conftest import GIVEN, IDS, NAMES, WRONG, Place


@pytest.fixture
def opened(place: Place) -> Iterator[Review]:
    with open_review(place.run, images=place.images, reviewer="Ann") as review:
        yield review


class Client:
    """Speaks to the server as a browser does, or as one does not."""

    def __init__(self, review: Review) -> None:
        self.port = int(review.url.split(":")[2].split("/")[0])
        self.token = review.url.split("token=")[1]
        self.headers: dict[str, str] = {"X-Review-Token": self.token}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if method == "POST":
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{self.port}"} | sent
        connection.request(method, path, data, sent)
        answer = connection.getresponse()
        found = answer.status, answer.read(), answer.headers
        connection.close()
        return found

    def view(self) -> Any:
        return json.loads(self.ask("GET", "/api/view?reviewer=Ann")[1])


@pytest.fixture
def client(opened: Review) -> Client:
    return Client(opened)


def test_it_listens_on_loopback_only(opened: Review) -> None:
    port = Client(opened).port
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        if str(address).startswith("127."):
            continue
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((str(address), port), timeout=2).close()
    assert opened._server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/api/view?reviewer=Ann", "/image/0", "/api/export?kind=csv", "/nothing"])
def test_nothing_without_the_token(client: Client, path: str) -> None:
    for token in ("", "x", client.token[:-1], client.token + "x"):
        assert client.ask("GET", path, X_Review_Token=token)[0] == 403


def test_other_hosts_and_origins_are_refused(client: Client) -> None:
    assert client.ask("GET", "/api/view", Host="evil.example")[0] == 403
    assert client.ask("GET", "/api/view", Host=f"evil.example:{client.port}")[0] == 403
    assert client.ask("GET", "/api/view", Host=f"localhost:{client.port}")[0] == 200
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{client.port + 1}", ""):
        assert client.ask("GET", "/api/view", Origin=origin)[0] == 403
        body = {"reviewer": "Ann", "ranks": [0], "action": "keep"}
        assert client.ask("POST", "/api/decide", body, Origin=origin)[0] == 403
    assert client.view()["n_decided"] == 0


def test_a_post_needs_an_origin_and_json(client: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
    connection.request(
        "POST", "/api/undo", b'{"reviewer": "Ann"}', client.headers | {"Content-Type": "application/json"}
    )
    assert connection.getresponse().status == 403
    connection.close()
    assert client.ask("POST", "/api/undo", {"reviewer": "Ann"}, Content_Type="text/plain")[0] == 415
    assert client.ask("POST", "/api/undo", b"[1]")[0] == 400
    assert client.ask("POST", "/api/undo", b"{")[0] == 400
    assert client.ask("POST", "/api/undo", b"[" * 100_000)[0] == 400
    assert client.ask("POST", "/api/undo", b"x", Content_Length="99999999")[0] == 413
    assert client.ask("POST", "/api/undo", {})[0] == 400
    assert client.ask("POST", "/api/other", {"reviewer": "Ann"})[0] == 404
    assert client.ask("PUT", "/api/undo", {"reviewer": "Ann"})[0] == 501


@pytest.mark.parametrize(
    "path",
    [
        "/image/../../labels.csv",
        "/image/..%2f..%2flabels.csv",
        "/image//etc/passwd",
        "/image/-1",
        "/image/60",
        "/image/1e1",
        "/image/0/..",
        "/image/99999999999999999999",
        "/image/\u0665",
        "/labels.csv",
        "/api/export?kind=exe",
        "/static/review.js",
    ],
)
def test_no_path_leads_elsewhere(client: Client, path: str) -> None:
    from urllib.parse import quote

    status, body, _ = client.ask("GET", quote(path, safe="/?=&%"))
    assert (status, json.loads(body)) == (404, {"error": "there is nothing here"})


def test_ids_that_are_paths_lead_nowhere_else(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    from PIL import Image

    secret = place.images.parent / "secret.png"
    Image.new("RGB", (4, 4), "red").save(secret)
    ids = ["<i>00</i>.png", "../secret.png", str(secret), "a\0b"]
    scores = np.eye(4, 2)[None] + 0.1
    found = labelaudit.audit(
        labelaudit.history_from_arrays(scores / scores.sum(-1, keepdims=True), [0, 1, 0, 1], sample_ids=ids)
    )
    with open_review(found, images=place.images, decisions=place.images.parent / "d.jsonl") as review:
        client = Client(review)
        answers = {client.ask("GET", f"/image/{rank}")[0] for rank in range(4)}
        assert sorted(client.ask("GET", f"/image/{rank}")[0] for rank in range(4)) == [200, 404, 404, 404]
        assert answers == {200, 404}


def test_headers_keep_the_page_to_itself(client: Client) -> None:
    _, body, headers = client.ask("GET", f"/?token={client.token}", X_Review_Token="")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert b'data-lm-suppress-shortcuts="true"' in body
    assert client.token.encode() not in body
    assert "http://localhost:*" not in policy


def test_names_from_data_come_as_data(client: Client, place: Place) -> None:
    page = client.ask("GET", "/")[1].decode()
    assert IDS[0] not in page
    assert NAMES[0] not in page
    with open_review(
        place.run, reviewer="</script><script>alert(1)</script>", decisions=place.run / "2.jsonl"
    ) as review:
        assert b"</script><script>alert" not in Client(review).ask("GET", "/")[1]


def test_a_review_through_the_interface(client: Client, opened: Review) -> None:
    first = client.view()["sample"]
    assert first["id"] in {IDS[i] for i in WRONG}
    assert first["curve"]["epochs"] == [0, 1, 2, 3]
    image = client.ask("GET", first["image"])
    assert image[0] == 200
    assert image[2]["Content-Type"].startswith("image/")

    def decide(action: str, **more: Any) -> tuple[int, Any]:
        rank = client.view()["sample"]["rank"]
        status, body, _ = client.ask(
            "POST", "/api/decide", {"reviewer": "Ann", "ranks": [rank], "action": action, **more}
        )
        return status, json.loads(body)

    assert decide("accept")[1]["n_decided"] == 1
    given = client.view()["sample"]["given"]
    assert decide("choose", label=NAMES.index(given))[0] == 200
    assert decide("choose", label=3)[0] == 400
    assert decide("choose")[0] == 400
    assert decide("destroy")[0] == 400
    assert decide("keep", ranks=[0, 0])[0] == 400
    assert decide("keep", ranks=[])[0] == 400
    assert decide("keep", ranks=[True])[0] == 400
    for label in ("", [], {}, False):
        assert decide("choose", label=label)[0] == 400
    assert decide("keep", ranks=[60])[0] == 400
    assert decide("keep", reviewer=" ")[0] == 400
    assert decide("keep", reviewer="x" * 61)[0] == 400
    table = opened.table()
    assert table["action"].tolist() == ["relabel", "keep"], "a class that is the given one is kept"
    assert table.loc[first["id"], "label"] == first["suggested"]
    for kind in ("csv", "json", "parquet"):
        assert client.ask("GET", f"/api/export?kind={kind}")[0] == 200
    assert client.ask("POST", "/api/undo", {"reviewer": " Ann "})[0] == 200
    assert client.view()["n_decided"] == 1


def test_reviews_in_notebooks(place: Place) -> None:
    found = labelaudit.audit(place.run)
    review = labelaudit.review(found, images=place.images, reviewer="Ann")
    shown = review._repr_html_()
    assert review.url in shown
    assert 'data-lm-suppress-shortcuts="true"' in shown
    assert "http://localhost:*" in Client(review).ask("GET", "/")[2]["Content-Security-Policy"]
    review.decide(IDS[0], "relabel", "owl")
    review.decide(IDS[1], "keep")
    with pytest.raises(LabelAuditError, match="no sample 'x'"):
        review.decide("x", "keep")
    with pytest.raises(LabelAuditError, match="no class 'cow'"):
        review.decide(IDS[0], "relabel", "cow")
    assert review.table()["action"].tolist() == ["relabel", "keep"]
    assert str(review.decisions) == str(place.run / "review" / "decisions.jsonl")
    review.close()
    again = labelaudit.review(found)
    assert len(again.table()) == 2
    again.close()


def test_decisions_in_a_script(tmp_path: Path) -> None:
    scores, given = np.full((3, 12, 3), 0.02), np.arange(12) % 3
    scores[:, np.arange(12), given] = 0.96
    given[5] = 0
    found = labelaudit.audit(labelaudit.history_from_arrays(scores, given))
    with labelaudit.review(found, decisions=tmp_path / "d.jsonl") as review:
        worst = found.issues.index[0]
        assert isinstance(worst, np.integer)
        review.decide(worst, "relabel", found.issues["suggested_label"].iloc[0], reviewer="Ann")
        review.decide(worst, "keep", reviewer="Bo")
        review.decide(np.int64(1), "relabel", np.int64(1), reviewer="Ann")
        review.decide(1, "keep", pd.NA, reviewer="Bo")
        assert review.table()["action"].to_dict() == {5: "disputed", 1: "keep"}
        for action in ("move", "add", "accept"):
            with pytest.raises(LabelAuditError, match=f"action='{action}' is unknown; expected one of \"relabel\""):
                review.decide(2, action)
        for action in ("move", "add", "relabel"):
            answer = Client(review).ask("POST", "/api/decide", {"reviewer": "Ann", "ranks": [2], "action": action})
            assert answer[0] == 400
        with pytest.raises(LabelAuditError, match="needs a label"):
            review.decide(2, "relabel", np.nan)
        with pytest.raises(LabelAuditError, match=r"no class np.int64\(7\)"):
            review.decide(2, "relabel", np.int64(7))
        assert len(review.table()) == 2


def test_a_reviewers_name_is_text_that_a_table_can_hold(client: Client, opened: Review) -> None:
    for name in ("J\udcfcrgen", "\ud800"):
        with pytest.raises(LabelAuditError, match="which is not valid Unicode; rename it"):
            opened.decide(IDS[0], "keep", reviewer=name)
        assert client.ask("POST", "/api/decide", {"reviewer": name, "ranks": [0], "action": "keep"})[0] == 400
        with pytest.raises(LabelAuditError, match="reviewer holds"):
            open_review("nowhere", reviewer=name)
    opened.decide(IDS[0], "keep", reviewer="Jürgen")
    assert opened.table()["reviewers"].tolist() == ["Jürgen"]


def test_text_and_rows_and_no_history(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("audit")
    labelaudit.audit(place.run).save(folder / "audit")
    (place.run / "manifest.json").unlink()
    with labelaudit.review(folder / "audit", texts=[f"text {i}" for i in range(60)], reviewer="Ann") as review:
        sample = Client(review).view()["sample"]
        assert sample["text"] == f"text {IDS.index(sample['id'])}"
        assert sample["curve"] is None
        assert sample["image"] is None


def test_where_decisions_go_is_asked_for(place: Place) -> None:
    scores = np.array([[[0.9, 0.1], [0.2, 0.8]]])
    found = labelaudit.audit(labelaudit.history_from_arrays(scores, [0, 1]))
    with pytest.raises(LabelAuditError, match="say where the decisions are kept"):
        labelaudit.review(found)
    with open_review(place.run) as review, pytest.raises(LabelAuditError, match="cannot be used"):
        open_review(place.run, port=Client(review).port, decisions=place.run / "2.jsonl")
    assert GIVEN.shape == (60,)


def test_lookalikes_and_disagreements(client: Client) -> None:
    from urllib.parse import quote

    def get(path: str) -> Any:
        status, body, _ = client.ask("GET", path)
        assert status == 200
        return json.loads(body)

    pair = client.view()["pairs"][0]
    query = f"given={quote(pair['given'])}&suggested={quote(pair['suggested'])}"
    alike = get(f"/api/lookalikes?reviewer=Ann&{query}")
    assert len(alike) == pair["n"] == 2
    assert {(one["given"], one["suggested"]) for one in alike} == {(pair["given"], pair["suggested"])}
    assert alike[0]["quality"] <= alike[1]["quality"]
    ranks = [one["rank"] for one in alike]
    for reviewer, action in (("Ann", "accept"), ("Bo", "keep"), ("Cy", "unsure")):
        asked = {"reviewer": reviewer, "ranks": ranks, "action": action}
        assert client.ask("POST", "/api/decide", asked)[0] == 200
    assert get(f"/api/lookalikes?reviewer=Ann&{query}") == []
    view = client.view()
    assert (view["n_decided"], view["n_disputed"]) == (2, 2)
    assert view["reviewers"] == {"Ann": 2, "Bo": 2, "Cy": 2}
    found = get("/api/disagreements")
    assert [one["sample"]["rank"] for one in found] == ranks
    assert found[0]["words"] == [
        {"reviewer": "Ann", "action": "relabel", "label": pair["suggested"]},
        {"reviewer": "Bo", "action": "keep", "label": None},
        {"reviewer": "Cy", "action": "unsure", "label": None},
    ]
    assert client.ask("POST", "/api/undo", {"reviewer": "Bo"})[0] == 200
    assert get("/api/disagreements") == []
    mixed = {"reviewer": "Ann", "ranks": list(range(12)), "action": "accept"}
    assert client.ask("POST", "/api/decide", mixed)[0] == 400, "several suggestions are not accepted at once"


def test_a_page_that_shows_what_is_past_replaces_nothing(client: Client, opened: Review) -> None:
    def post(path: str, **more: Any) -> tuple[int, Any]:
        status, body, _ = client.ask("POST", path, {"reviewer": "Ann", **more})
        return status, json.loads(body)

    old = client.view()  # what both windows show
    rank, step = old["sample"]["rank"], old["sample"]["step"]
    assert (step, old["undoes"]) == (None, None)
    assert post("/api/decide", ranks=[rank], seen=[step], action="accept")[0] == 200
    status, stale = post("/api/decide", ranks=[rank], seen=[step], action="keep")
    assert status == 409
    assert stale["error"] == "You decided on this sample in another window. What you just chose is not saved."
    assert stale["decided"][0]["words"] == [
        {"reviewer": "Ann", "action": "relabel", "label": old["sample"]["suggested"]}
    ]
    now = stale["view"]
    assert now["n_decided"] == 1
    assert now["sample"]["rank"] != rank
    assert opened.table()["action"].tolist() == ["relabel"], "nothing is written"
    seen = stale["decided"][0]["sample"]["step"]
    assert post("/api/decide", ranks=[rank], seen=[seen], action="keep")[0] == 200, "decided again, with open eyes"
    assert post("/api/decide", ranks=[rank], seen=[seen], action="unsure")[0] == 409
    assert opened.table()["action"].tolist() == ["keep"]
    several = [rank, now["sample"]["rank"]]
    status, stale = post("/api/decide", ranks=several, seen=[None, None], action="remove")
    assert (status, len(stale["decided"])) == (409, 1)
    assert "on 1 of these 2 samples" in stale["error"]
    assert len(opened.table()) == 1, "all or nothing"
    status, stale = post("/api/undo", seen=now["undoes"])
    assert (status, stale["decided"][0]["sample"]["rank"]) == (409, rank)
    assert opened.table()["action"].tolist() == ["keep"], "another window's decision is not taken back unseen"
    assert post("/api/undo", seen=stale["view"]["undoes"])[0] == 200
    assert opened.table()["action"].tolist() == ["relabel"]
    assert post("/api/decide", ranks=[rank], seen=[], action="keep")[0] == 400
    assert post("/api/decide", ranks=[rank], seen=1, action="keep")[0] == 400
    bo = {"reviewer": "Bo", "ranks": [rank], "seen": [None], "action": "keep"}
    assert client.ask("POST", "/api/decide", bo)[0] == 200, "another reviewer is no other window"


def test_when_every_sample_is_decided(client: Client) -> None:
    asked = {"reviewer": "Ann", "ranks": list(range(60)), "action": "keep"}
    view = json.loads(client.ask("POST", "/api/decide", asked)[1])
    assert view["sample"] is None
    assert view["estimate"]["n_next"] == 0
    assert view["estimate"]["precision"] == 0
    clean = {"reviewer": "Ann", "ranks": [59], "action": "accept"}
    assert client.ask("POST", "/api/decide", clean)[0] == 400, "there is no suggestion"
