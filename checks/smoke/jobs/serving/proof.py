"""What is served and what must hold of it: the counter, the adapter, a heavy model, or a model that was given."""

from __future__ import annotations

import argparse
import json
import os
import subprocess  # noqa: TID251 - a job runs apart from the agent
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .adapter import PROMPTS, TOKENS
from .client import Answer, Target, ask_all
from .figures import find_counts, server_side, summarised
from .models import FIRST, LAST, counted, write_counter, write_heavy
from .prompts import words_needed, words_prompt
from .rounds import (
    find_target,
    flat,
    judged_agreement,
    judged_round,
    judged_text,
    number_of,
    parallels,
    row,
)
from .server import Server, ServerFailed, command, free_port

GIB = 1 << 30
# A round whose times do not agree is asked again, for long answers: on a busy machine one of the two hears of the first
# token up to a tenth of a second late, which is much of a short answer and little of a long one.
PASSES, FEW = 3, 8
SCALING = 3.0  # eight at a time against one on a GPU; a server that does one after the other has 1
HEAVY_TOKENS, HEAVY_PROMPTS = 64, 4
LIGHT = ["--max-model-len", "1024", "--max-num-seqs", "16", "--enforce-eager"]


class Proof:
    """What is being proven: settings, a folder to work in, and what was found so far."""

    def __init__(self, args: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> None:
        self.args, self.folder, self.say = args, folder, say
        self.rows: list[dict[str, Any]] = []
        self.figures: dict[str, float] = {}
        self.rounds: list[dict[str, Any]] = []

    @contextmanager
    def serving(self, name: str, model: Path, weight_bytes: int,
                options: Sequence[str]) -> Iterator[tuple[Server, Target]]:
        """Serve a model under its name while the block runs; whatever happens, nothing of the server is left."""
        args = self.args
        port = args.port or free_port()
        target = Target(f"http://127.0.0.1:{port}", name, stream=not args.no_stream, timeout_s=args.answer_s)
        if args.engine == "transformers":
            target.model, options = str(model), ()
        else:
            options = ["--served-model-name", name, *options, *self.share(weight_bytes)]
        self.say(f"starting the server of {name}")
        server = Server(command(args.engine, sys.executable, model, port, options), self.folder / f"server-{name}",
                        self.environment())
        try:
            facts = server.wait(target, weight_bytes, args.ready_s, lambda text: self.say(f"{name}: {text}"))
            self.rows.append(row(f"{name}_ready", True, f"{facts['ready_s']:.1f} s", f"within {args.ready_s:g} s"))
            self.rows.append(row(f"{name}_in_memory", facts["held_bytes"] >= weight_bytes, facts["held_bytes"],
                                 f">= {weight_bytes} bytes of weights"))
            self.figures[f"{name}_ready_s"] = facts["ready_s"]
            try:
                yield server, target
            except ValueError as error:
                check_death(server, [Answer(error=str(error))])
                raise
            server.check_alive()
            ended = server.stop()
            self.rows.append(row(f"{name}_stopped", not ended["left"], f"{ended['left']} left after "
                                 f"{ended['stop_s']:.1f} s", "ends with all its processes when asked to"))
        finally:
            server.kill()

    def share(self, weight_bytes: int) -> list[str]:
        """Return how much of the card vLLM may take: the weights and some more, not the nine tenths it likes."""
        total = self.args.device_bytes
        if not total:
            return []
        return ["--gpu-memory-utilization", f"{min(0.9, max(0.05, (1.1 * weight_bytes + 8 * GIB) / total)):.2f}"]

    def environment(self) -> dict[str, str]:
        """Return what a server is told beside its options."""
        given = {} if self.args.device != "cpu" else {
            "VLLM_CPU_KVCACHE_SPACE": os.environ.get("VLLM_CPU_KVCACHE_SPACE", "1")}
        if self.args.threads:
            given |= {"OMP_NUM_THREADS": str(self.args.threads), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
        return given

    def round(self, server: Server, target: Target, prompts: Sequence[str], tokens: int, parallel: int,
              name: str = "") -> tuple[list[Answer], dict[str, Any]]:
        """Ask a round and judge what holds of any; again when client and server tell different times.

        Answers and figures are those of the first pass, the criteria those of the last. Raises ServerFailed when the
        server went away.
        """
        answers, found, sound, agreed = self.asked(server, target, prompts, tokens, parallel)
        few = prompts[:max(FEW, parallel)]
        long = max(tokens, self.args.long_tokens - max(map(len, few)))
        for _ in range(PASSES - 1):
            if not all(one["ok"] for one in sound) or all(one["ok"] for one in agreed):
                break
            _, found["again"], sound, agreed = self.asked(server, target, few, long, parallel)
        self.rows += [*sound, *agreed]
        self.rounds.append({"model": target.model, **found})
        self.figures |= flat(found, name)
        return answers, found

    def asked(self, server: Server, target: Target, prompts: Sequence[str], tokens: int, parallel: int) -> tuple[
            list[Answer], dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
        """Ask a round once; return answers, figures, the criteria of any round, and those of its times."""
        self.say(f"{len(prompts)} requests, {parallel} at a time")
        before = find_counts(target)
        answers, wall_s = ask_all(target, prompts, tokens, parallel)
        if any(not answer.good for answer in answers):
            check_death(server, answers)
        found: dict[str, Any] = {"parallel": parallel, **summarised(answers, wall_s, stream=target.stream)}
        sound = judged_round(answers, parallel, tokens if target.extras else None)
        after, agreed = find_counts(target), []
        if before and after and found["output_tokens"]:
            found["server"] = server_side(before, after)
            counted_too, *agreed = judged_agreement(found, found["server"], parallel)
            sound.append(counted_too)
        return answers, found, sound, agreed


def check_death(server: Server, answers: Sequence[Answer]) -> None:
    """Raise ServerFailed when the server is dead or about to be: an engine takes the rest along within seconds."""
    failed = [answer for answer in answers if not answer.good]
    begun = time.monotonic()
    while time.monotonic() - begun < 10:
        try:
            server.check_alive()
        except ServerFailed as error:
            cut = sum(bool(answer.stamps) for answer in failed)
            raise ServerFailed(error.kind, f"{len(failed)} of {len(answers)} answers failed, {cut} in the middle, "
                                           f"because {error}") from error
        time.sleep(0.2)


def prove_counter(proof: Proof) -> None:
    """Serve the counter: every answer is known, whatever is asked beside it."""
    args, model = proof.args, proof.folder / "counter"
    weight_bytes = write_counter(model)
    dtype = "float32" if args.device == "cpu" else "bfloat16"
    with proof.serving("counter", model, weight_bytes, ["--dtype", dtype, *LIGHT]) as (server, target):
        find_target(target, "completions", proof.say)
        rates = {}
        for count, parallel in enumerate(parallels(args.parallel)):
            number = number_of(args, parallel)
            ends = [chr(FIRST + (7 * one + 31 * count) % (LAST - FIRST + 1)) for one in range(number)]
            prompts = [words_prompt(100_000 * count + one, args.prompt_tokens)[:args.prompt_tokens - 1] + end
                       for one, end in enumerate(ends)]
            answers, found = proof.round(server, target, prompts, args.output_tokens, parallel)
            right = [counted(prompt, args.output_tokens) for prompt in prompts]
            proof.rows.append(judged_text(answers, right, f"known_answer_c{parallel}"))
            rates[parallel] = found["output_tokens_per_s"]
    if len(rates) > 1:
        scaling = rates[max(rates)] / rates[min(rates)]
        proof.figures["batch_scaling"] = scaling
        if args.device != "cpu" and max(rates) >= 8 * min(rates):
            proof.rows.append(row("batch_scaling", scaling >= SCALING, scaling, f">= {SCALING}"))


def prove_adapter(proof: Proof) -> None:
    """Train an adapter by the job `lora`, serve it beside its base: it answers as trained, the base does not."""
    args, made = proof.args, proof.folder / "trained"
    train(proof, made)
    pairs = json.loads((made / "answers.json").read_text(encoding="utf-8"))
    proof.rows.append(row("adapter_learned", len(pairs) == PROMPTS, f"{len(pairs)} sure answers", f"{PROMPTS}"))
    prompts, right = [prompt for prompt, _ in pairs], [text for _, text in pairs]
    merged = args.engine == "transformers"
    base = made / ("merged" if merged else "base")
    weight_bytes = (base / "model.safetensors").stat().st_size
    options = ["--dtype", "float32" if args.device == "cpu" else "bfloat16", *LIGHT, "--enable-lora",
               "--max-lora-rank", "8", "--lora-modules", f"trained={made / 'adapter'}"]
    with proof.serving("base", base, weight_bytes, options) as (server, target):
        if not merged:
            # Before the adapter is used: after that vLLM's CPU kernels apply it to requests without one too (0.32).
            find_target(target, "completions", proof.say)
            answers, _ = ask_all(target, prompts[:8], TOKENS, 4)
            same = sum(answer.text == text for answer, text in zip(answers, right))  # noqa: B905
            proof.rows.append(row("base_untrained", same == 0 and all(answer.served for answer in answers),
                                  f"{same} of 8 as trained", "none: what answers right is the adapter"))
            target.model = "trained"
        find_target(target, "completions", proof.say)
        answers, _ = proof.round(server, target, prompts, TOKENS, 4, "adapter_")
        proof.rows.append(judged_text(answers, right, "adapter_answers"))


def train(proof: Proof, made: Path) -> None:
    """Train by lora.py and write what it has made; both need torch, so they are processes of their own."""
    here, export = Path(__file__).resolve().parent, proof.folder / "lora.pt"
    words = ["--device", proof.args.device, "--size", proof.args.lora_size, "--export", str(export),
             "--threads", str(proof.args.threads or 1)]
    steps = (("lora", [sys.executable, str(here.parent / "lora.py"), *words]),
             ("export", [sys.executable, "-m", f"{here.name}.adapter", str(export), str(made)]))
    for name, argv in steps:
        proof.say(f"{name}: running")
        try:
            done = subprocess.run(argv, cwd=here.parent, capture_output=True, text=True, timeout=proof.args.ready_s,
                                  check=False)
        except subprocess.TimeoutExpired:
            raise ServerFailed(f"no-{name}", f"the adapter could not be made: {name} was not done after "
                                             f"{proof.args.ready_s:g} s") from None
        if done.returncode:
            raise ServerFailed(f"no-{name}", f"the adapter could not be made: {name} ended with exit code "
                                             f"{done.returncode}.\n{(done.stdout + done.stderr)[-8000:]}")


def prove_heavy(proof: Proof) -> None:
    """Serve a model as heavy as a real one: one answer at a time reads every weight once a token."""
    model = proof.folder / "heavy"
    weight_bytes = write_heavy(model, proof.args.heavy_bytes)
    options = ["--dtype", "bfloat16", "--load-format", "dummy", "--max-model-len", "1024", "--max-num-seqs", "8"]
    if proof.args.device == "cpu":
        options.append("--enforce-eager")
    with proof.serving("heavy", model, weight_bytes, options) as (server, target):
        find_target(target, "completions", proof.say)
        prompts = [words_prompt(one, 64)[:64] for one in range(HEAVY_PROMPTS)]
        _, found = proof.round(server, target, prompts, HEAVY_TOKENS, 1, "heavy_")
        if "tpot_p50_ms" in found:
            proof.figures["heavy_weight_bytes"] = weight_bytes
            proof.figures["weights_gbs"] = weight_bytes / found["tpot_p50_ms"] / 1e6


def prove_model(proof: Proof, model: Path) -> None:
    """Serve a model that was given; what it says is not known, how fast it says it is measured."""
    proof.args.long_tokens = 0  # how much it takes is not known
    weight_bytes = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    # On a CPU it is a trial: compiling takes longer than what it saves.
    options = ["--enforce-eager"] if proof.args.device == "cpu" else []
    with proof.serving("model", model, weight_bytes, options) as (server, target):
        find_target(target, "completions", proof.say)
        words = words_needed(target, proof.args.prompt_tokens)
        for count, parallel in enumerate(parallels(proof.args.parallel)):
            prompts = [words_prompt(100_000 * count + one, words) for one in range(number_of(proof.args, parallel))]
            proof.round(server, target, prompts, proof.args.output_tokens, parallel)
