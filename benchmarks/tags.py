"""Do inline tags surround, in the translation, the word that they surrounded in the sentence?

Judged without the model's attention: a dictionary is learned from pairs of sentences (IBM model 1,
Brown et al. 1993, both directions, by expectation maximisation). A word of a sentence can be tagged
if the dictionary knows a translation of it that is in the model's translation of the sentence
exactly once, and knows no other word of the sentence for which that translation is as probable. A
tag is right if it surrounds that translation, and tight if it surrounds no more than two words
besides. Sentences and words are drawn by a seed before anything with tags is translated.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

WORD = re.compile(r"[^\W\d_]+")
ROUNDS = 5
LEAST = 0.2
"""Probability, in both directions, from which on a word is a translation."""
SHORTEST = 4
"""Letters of a word to be tagged, and of its translation: articles and the like belong to nothing
in particular."""
Table = dict[str, dict[str, float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="a running service")
    parser.add_argument(
        "--source", type=Path, nargs="+", required=True, help="sentences, one a line"
    )
    parser.add_argument("--reference", type=Path, nargs="+", required=True, help="translations")
    parser.add_argument("--pair", default="fr-en")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--words", type=int, default=8, help="fewest words of a sentence")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print the sentences that are wrong")


def run(arguments: argparse.Namespace) -> None:
    pairs = list(zip(_lines(arguments.source), _lines(arguments.reference), strict=True))
    forward = learned(pairs)
    backward = learned([(target, source) for source, target in pairs])
    sources = [source for source, _ in pairs if len(_words(source)) >= arguments.words]
    random.Random(arguments.seed).shuffle(sources)
    with httpx.Client(base_url=arguments.url, timeout=60) as client:
        cases = _cases(client, sources, forward, backward, arguments)
        found = [_judged(client, *case, arguments) for case in cases]
    right, tight = (sum(one[place] for one in found) for place in (0, 1))
    count = len(found)
    print(f"tags {count}  right {right / count:.1%}  right and tight {tight / count:.1%}")


def learned(pairs: Sequence[tuple[str, str]]) -> Table:
    """IBM model 1: probability of each target word given a source word; small ones left out."""
    corpus = [(_words(source), _words(target)) for source, target in pairs]
    table: Table = defaultdict(lambda: defaultdict(lambda: 1.0))
    for _ in range(ROUNDS):
        counts: Table = defaultdict(lambda: defaultdict(float))
        for sources, targets in corpus:
            for target in targets:
                total = sum(table[source][target] for source in sources)
                for source in sources:
                    counts[source][target] += table[source][target] / total
        table = {
            source: {target: count / sum(own.values()) for target, count in own.items()}
            for source, own in ((source, _likely(own)) for source, own in counts.items())
        }
        table = _with_floor(table)
    return table


def _likely(counts: dict[str, float]) -> dict[str, float]:
    most = max(counts.values())
    return {target: count for target, count in counts.items() if count > most / 1000}


def _with_floor(table: Table) -> Table:
    return defaultdict(
        lambda: defaultdict(lambda: 1e-9),
        {source: defaultdict(lambda: 1e-9, own) for source, own in table.items()},
    )


def _cases(
    client: httpx.Client,
    sources: Sequence[str],
    forward: Table,
    backward: Table,
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, re.Match[str], str]]:
    """(sentence, the word to tag, its translation), one for each sentence that has any."""
    chosen, left = random.Random(arguments.seed), arguments.sentences
    for source in sources:
        if not left:
            return
        translation = _words(_translated(client, source, arguments))
        candidates = [
            (word, target)
            for word in WORD.finditer(source)
            if len(word.group()) >= SHORTEST
            for target in _translations(
                word.group().lower(), source, translation, forward, backward
            )
        ]
        if candidates:
            left -= 1
            yield (source, *chosen.choice(candidates))


def _translations(
    word: str, source: str, translation: Sequence[str], forward: Table, backward: Table
) -> Iterator[str]:
    words = _words(source)
    for target in translation:
        if len(target) < SHORTEST:
            continue
        rivals = [forward[other][target] for other in words if other != word]
        known = forward[word][target] >= LEAST and backward[target][word] >= LEAST
        alone = words.count(word) == 1 and translation.count(target) == 1
        if known and alone and max(rivals, default=0.0) < forward[word][target]:
            yield target


def _judged(
    client: httpx.Client,
    source: str,
    word: re.Match[str],
    target: str,
    arguments: argparse.Namespace,
) -> tuple[bool, bool]:
    """Whether the tag surrounds the word; and, if it does, whether hardly anything else."""
    tagged = f"{source[: word.start()]}<b>{word.group()}</b>{source[word.end() :]}"
    found = _translated(client, tagged, arguments, format="html")
    inside = _words(re.sub(r".*<b>(.*)</b>.*", r"\1", found, flags=re.DOTALL))
    right = target in inside
    if arguments.show and not right:
        print(f"{tagged}\n  {found}  ({target})")
    return right, right and len(inside) <= 3


def _translated(client: httpx.Client, text: str, arguments: argparse.Namespace, **more: str) -> str:
    source, _, target = arguments.pair.partition("-")
    body = {"q": text, "source": source, "target": target, **more}
    answer = client.post("/translate", json=body)
    answer.raise_for_status()
    return str(answer.json()["translatedText"])


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _lines(files: Sequence[Path]) -> list[str]:
    return [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
