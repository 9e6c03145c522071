from __future__ import annotations

import json
import socket
import time

import pytest

from checks.smoke.jobs.serving.client import Answer, Target, ask_all, ask_once
from checks.smoke.jobs.serving.figures import find_counts, percentile, server_side, summarised, table
from checks.smoke.jobs.serving.prompts import words_needed, words_prompt
from checks.smoke.jobs.serving.rounds import find_target, judged_agreement, judged_round, judged_text
from tests.unit.smoke.openai_server import CLOSE, DONE, counting, event, serving, usage

LATE_S = 1.5  # what a busy machine may add


def answered(*stamps: float, tokens: int | None = None, prompt: int = 10, error: str = "") -> Answer:
    return Answer(sent=0.0, stamps=list(stamps), pieces=["x"] * len(stamps), output_tokens=tokens,
                  prompt_tokens=prompt, error=error)


def ask(script, tokens=4, prompt="abc", **more):
    with serving(script) as server:
        return ask_once(Target(server.url, "m", **more), prompt, tokens)


def test_the_figures_are_those_of_vllms_own_benchmark():
    one, two = answered(0.5, 0.6, 0.8, 1.1, tokens=4), answered(0.3, 0.7, tokens=2)
    found = summarised([one, two], 2.0)
    assert found["ttft_mean_ms"] == pytest.approx(400)
    assert found["tpot_mean_ms"] == pytest.approx((200 + 400) / 2)
    assert found["itl_mean_ms"] == pytest.approx((100 + 200 + 300 + 400) / 4)
    assert found["e2el_mean_ms"] == pytest.approx(900)
    assert (found["requests_per_s"], found["output_tokens_per_s"], found["total_tokens_per_s"]) == (1.0, 3.0, 13.0)
    assert found["e2el_p50_ms"] == pytest.approx(900)
    assert found["e2el_p90_ms"] == pytest.approx(1060)


def test_bundled_tokens_count_as_tokens_and_the_chunk_once():
    found = summarised([answered(0.2, 0.4, tokens=5)], 1.0)
    assert found["tpot_mean_ms"] == pytest.approx(50)
    assert found["itl_mean_ms"] == pytest.approx(200)
    assert found["tokens_per_chunk"] == 2.5


def test_percentiles_are_linear_as_numpys():
    assert [percentile([4, 1, 3, 2], p) for p in (0, 50, 90, 100)] == [1, 2.5, pytest.approx(3.7), 4]
    assert percentile([7], 99) == 7


def test_failed_answers_are_counted_and_measured_nowhere():
    found = summarised([answered(0.5, tokens=1), answered(9.0, 9.5, tokens=99, error="cut off")], 1.0)
    assert (found["asked"], found["failed"], found["output_tokens"]) == (2, 1, 1)
    assert found["e2el_mean_ms"] == pytest.approx(500)
    assert "tpot_mean_ms" not in found


def test_nothing_but_failures_has_no_times():
    found = summarised([answered(error="no")], 1.0)
    assert (found["failed"], found["output_tokens_per_s"]) == (1, 0)
    assert "ttft_mean_ms" not in found
    assert "1" in table([{"parallel": 3, **found}])[1]


def test_known_delays_are_measured_where_they_are():
    with serving(counting(gap_s=0.08, first_s=0.3)) as server:
        answer = ask_once(Target(server.url, "m"), "abc", 5)
        time.sleep(0.05)
        (sent,) = server.sent
    assert answer.text == "defgh"
    assert 0.3 <= answer.ttft_s < 0.3 + LATE_S
    assert 0.3 + 4 * 0.08 <= answer.e2el_s < 0.62 + LATE_S
    assert len(answer.stamps) == 5
    for stamp, at in zip(answer.stamps, sent, strict=True):
        assert -0.05 <= stamp - at < LATE_S
    assert answer.tpot_s == pytest.approx((answer.stamps[-1] - answer.stamps[0]) / 4)


def test_usage_in_a_chunk_of_its_own_is_no_token():
    answer = ask(counting(), tokens=3)
    assert (answer.prompt_tokens, answer.output_tokens, len(answer.stamps)) == (3, 3, 3)


def test_the_manner_of_transformers_usage_in_the_last_chunk_and_no_end_mark():
    answer = ask(lambda body: [(0, event("de")), (0, event("f")), (0, event("", "length", usage=usage(3, 3)))])
    assert (answer.good, answer.text, answer.output_tokens, len(answer.stamps)) == (True, "def", 3, 2)


def test_a_chats_role_is_no_token_and_reasoning_is():
    role = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'
    reason = b'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}\n\n'
    steps = [(0, role), (0, reason), (0, event("yes", "stop", chat=True)), (0, DONE)]
    with serving(lambda body: steps) as server:
        answer = ask_once(Target(server.url, "m", api="chat"), "abc", 4)
        (path, body, _), = server.asked
    assert (answer.text, len(answer.stamps), answer.tokens) == ("hmyes", 2, 2)
    assert (path, body["messages"]) == ("/v1/chat/completions", [{"role": "user", "content": "abc"}])


def test_events_may_be_cut_anywhere_and_lines_end_in_two_ways():
    whole = event("d") + event("e", "length") + DONE
    assert ask(lambda body: [(0, whole[n:n + 7]) for n in range(0, len(whole), 7)]).text == "de"
    assert ask(lambda body: [(0, b": ping\r\n\r\n" + whole.replace(b"\n", b"\r\n"))]).text == "de"
    assert ask(lambda body: [(0, whole.rstrip(b"\n"))]).text == "de"


@pytest.mark.parametrize(("steps", "says"), [
    ([(0, event("d")), (0, CLOSE)], "cut off"),
    ([(0, CLOSE)], "IncompleteRead"),
    ([(0, event("d"))], "ended before the answer was whole"),
    ([(0, event("d")), (0, b'data: {"error": {"message": "EngineCore died"}}\n\n'), (0, DONE)], "EngineCore died"),
    ([(0, event("", "length")), (0, DONE)], "no text"),
    ([(0, event("d")), (0, b"data: {not json\n\n")], "cut off"),
    ([], "ended before the answer was whole"),
])
def test_an_answer_that_is_not_whole_has_failed(steps, says):
    answer = ask(lambda body: steps)
    assert not answer.good
    assert says in answer.error


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_another_status_than_200_is_a_failure_that_tells_why(status):
    answer = ask(lambda body: (status, '{"error": "too many"}'))
    assert answer.error == f"HTTP {status}: " + '{"error": "too many"}'


def test_silence_fails_when_it_is_too_long_and_slow_pieces_do_not():
    slow = ask(counting(gap_s=0.2, first_s=0.2), timeout_s=1.9)
    assert slow.good
    silent = ask(lambda body: [(0, event("d")), (1.2, event("e"))], timeout_s=0.3)
    assert silent.error == "no answer for 0.3 s"


def test_nobody_there_is_a_failure():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        answer = ask_once(Target(f"127.0.0.1:{free.getsockname()[1]}", "m"), "abc", 1)
    assert "ConnectionRefusedError" in answer.error


def test_so_many_at_a_time_and_every_answer_in_its_place():
    with serving(counting(gap_s=0.01)) as server:
        prompts = [chr(65 + n) for n in range(20)]
        answers, wall_s = ask_all(Target(server.url, "m"), prompts, 6, 4)
        assert server.most_at_once == 4
        assert len(server.asked) == 20
    assert [answer.text[0] for answer in answers] == [chr(66 + n) for n in range(20)]
    assert wall_s >= 5 * 5 * 0.01


def test_one_at_a_time_is_one_at_a_time_over_one_connection():
    with serving(counting()) as server:
        ask_all(Target(server.url, "m"), ["a", "b", "c"], 2, 1)
        assert (server.most_at_once, len(server.asked)) == (1, 3)


def test_a_kept_connection_that_the_server_has_closed_is_opened_again():
    from checks.smoke.jobs.serving.client import Asker

    with serving(counting()) as server:
        asker = Asker(Target(server.url, "m"))
        assert asker.ask(asker.target.body("a", 1)).good
        assert asker.link.sock is not None
        asker.link.sock.shutdown(2)
        assert asker.ask(asker.target.body("b", 1)).text == "c"
        asker.close()


def test_answers_in_one_piece_have_a_latency_and_no_first_token():
    with serving(counting()) as server:
        answers, wall_s = ask_all(Target(server.url, "m", stream=False), ["abc"], 4, 1)
    assert (answers[0].text, answers[0].output_tokens) == ("defg", 4)
    found = summarised(answers, wall_s, stream=False)
    assert "e2el_mean_ms" in found
    assert "ttft_mean_ms" not in found


@pytest.mark.parametrize(("url", "prefix", "api"), [
    ("http://h:1", "", "completions"), ("h:1/v1/", "", "completions"), ("https://h/x/v1", "/x", "completions"),
    ("http://h/v1/chat/completions", "", "chat"), ("http://h/v1/completions", "", "completions")])
def test_an_address_is_taken_as_people_write_it(url, prefix, api):
    target = Target(url)
    assert (target.prefix, target.api, target.host) == (prefix, api, "h")


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ValueError, match="not an http"):
        Target("ftp://h")


def test_the_key_goes_into_the_header():
    with serving(counting()) as server:
        ask_once(Target(server.url, "m", key="secret"), "a", 1)
        assert server.asked[0][2]["Authorization"] == "Bearer secret"


def test_model_api_and_extras_are_found_by_asking():
    with serving(counting(), model="served") as server:
        target = Target(server.url)
        assert find_target(target, "auto", print) == {"model": "served", "api": "completions", "ignores_end": True}
    with serving(counting(wrong="bad-request")) as server:
        target = Target(server.url)
        assert find_target(target, "auto", print)["ignores_end"] is False


def test_a_server_with_chat_alone_is_asked_by_chat():
    def script(body):
        return [(0, event("d", "stop", chat=True)), (0, DONE)] if "messages" in body else (404, "no such page")
    with serving(script) as server:
        assert find_target(Target(server.url), "auto", print)["api"] == "chat"


def test_a_server_that_is_none_is_refused_with_its_answer():
    with serving(lambda body: (500, "out of order")) as server, pytest.raises(ValueError, match="out of order"):
        find_target(Target(server.url), "auto", print)


def test_prompts_are_as_long_as_asked_by_the_servers_own_count():
    def script(body):  # three tokens a word, and seven for the template
        return [(0, event("x", "length")), (0, event(usage=usage(3 * len(body["prompt"].split()) + 7, 1))), (0, DONE)]
    with serving(script) as server:
        words = words_needed(Target(server.url, "m"), 100)
    assert words == 31
    assert len(words_prompt(5, words).split()) == 31
    assert len({words_prompt(n, 40) for n in range(300)}) == 300


def test_client_and_servers_own_count_agree():
    with serving(counting(gap_s=0.02, first_s=0.05)) as server:
        target = Target(server.url, "m")
        before = find_counts(target)
        answers, wall_s = ask_all(target, ["abc"] * 6, 10, 2)
        deadline = time.monotonic() + 5
        while server.sums["answers"] < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        told = server_side(before or {}, find_counts(target) or {})
    found = summarised(answers, wall_s)
    assert (told["answers"], told["output_tokens"]) == (6, found["output_tokens"]) == (6, 60)
    assert told["tpot_mean_ms"] == pytest.approx(found["tpot_mean_ms"], rel=0.5)
    assert told["tpot_mean_ms"] >= 20


@pytest.mark.parametrize(("server", "bad"), [
    ({}, []), ({"output_tokens": 639.0}, ["server_tokens_c8"]), ({"tpot_mean_ms": 8.5}, ["server_tpot_c8"]),
    ({"e2el_mean_ms": 400.0}, ["server_e2el_c8"]), ({"tpot_mean_ms": 7.7}, [])])
def test_five_percent_apart_is_no_agreement(server, bad):
    found = {"output_tokens": 640, "tpot_mean_ms": 8.0, "e2el_mean_ms": 500.0}
    told = {"output_tokens": 640.0, "tpot_mean_ms": 7.9, "e2el_mean_ms": 490.0, **server}
    assert [row["id"] for row in judged_agreement(found, told, 8) if not row["ok"]] == bad


def test_an_answer_that_differs_in_its_last_token_is_wrong():
    right = Answer(pieces=["ab", "c"])
    assert judged_text([right], ["abc"], "known")["ok"]
    assert not judged_text([right], ["abd"], "known")["ok"]
    assert not judged_text([], [], "known")["ok"]


def test_tokens_missing_or_not_counted_are_seen():
    def rows(*answers, tokens=4):
        return {row["id"]: row["ok"] for row in judged_round(answers, 1, tokens)}
    assert rows(answered(1, tokens=4)) == {"none_failed_c1": True, "tokens_c1": True}
    assert rows(answered(1, tokens=3)) == {"none_failed_c1": True, "tokens_c1": False}
    assert rows(answered(1)) == {"none_failed_c1": True, "tokens_c1": False}
    assert rows(answered(error="x")) == {"none_failed_c1": False}
    assert rows(answered(1), tokens=None) == {"none_failed_c1": True}


def test_a_server_without_counters_is_measured_all_the_same():
    with serving(counting()) as server:
        server.tells_metrics = False
        assert find_counts(Target(server.url)) is None


def test_the_request_asks_for_what_is_measured():
    body = json.loads(Target("http://h", "m", extras={"ignore_eos": True}).body("abc", 9))
    assert body == {"model": "m", "max_tokens": 9, "temperature": 0, "stream": True, "prompt": "abc",
                    "stream_options": {"include_usage": True}, "ignore_eos": True}
