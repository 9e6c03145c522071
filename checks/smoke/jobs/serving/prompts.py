"""Prompts of a wanted length for any server: words, as many as its own tokenizer needs."""

from __future__ import annotations

import random

from .client import Answer, Target, ask_once

WORDS = ("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not",
         "he", "this", "are", "or", "his", "from", "at", "which", "but", "have", "an", "had", "they", "you", "were",
         "their", "one", "all", "we", "can", "her", "has", "there", "been", "if", "more", "when", "will", "would",
         "who", "so", "no", "she", "other", "its", "may", "these", "what", "them", "than", "some", "him", "time")


def words_prompt(number: int, words: int) -> str:
    """Return the n-th prompt of so many words; each begins differently, so that no server has it in its cache."""
    draw = random.Random(f"{number} {words}")  # noqa: S311
    return " ".join(draw.choice(WORDS) for _ in range(max(1, words)))


def words_needed(target: Target, tokens: int) -> int:
    """Return how many words make a prompt of so many tokens, by what the server counts in two tries."""
    few, many = max(1, tokens // 4), max(2, tokens)
    seen: list[Answer] = [ask_once(target, words_prompt(-count, count), 1) for count in (few, many)]
    counts = [answer.prompt_tokens for answer in seen]
    if counts[0] is None or counts[1] is None or counts[1] <= counts[0] or few == many:
        return tokens
    slope = (counts[1] - counts[0]) / (many - few)
    return max(1, round(few + (tokens - counts[0]) / slope))
