from __future__ import annotations

from pathlib import Path

import pytest
import sacrebleu

from model_export import __main__ as command
from model_export.errors import InvalidTestSet
from model_export.evaluation import Evaluation, TestSet, compare, evaluate
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.text.tokenizer import Tokenizer
from tests.conftest import golden, load

SENTENCES = tuple(golden("tiny")["sentences"])
TATOEBA = TestSet("tatoeba", SENTENCES, SENTENCES)


def test_the_service_s_own_engine_translates(tiny_directory: Path) -> None:
    directory = ModelDirectory.open(tiny_directory)
    told: list[int] = []
    found = evaluate(directory, "fp32", TATOEBA, beam_size=3, done=told.append)
    model = load(tiny_directory, "fp32")
    tokenizer = Tokenizer.load(tiny_directory / "source.json", tiny_directory / "target.json")
    sources, options = tokenizer.encode(SENTENCES), DecodingOptions(beam_size=3)
    alone = [decode(model, [source], [options], model.target)[0][0] for source in sources]
    assert list(found.translations) == tokenizer.decode([best.target_ids for best in alone])
    assert found.target_tokens == sum(len(best.target_ids) for best in alone)
    assert sum(told) == len(SENTENCES)
    assert found.tokens_per_second > 0


def evaluation(translations: tuple[str, ...], name: str = "a") -> Evaluation:
    return Evaluation(name, TATOEBA, translations, target_tokens=1, seconds=1.0)


def test_scores_are_sacrebleus() -> None:
    translations = (*SENTENCES[1:], "Rien du tout.")
    found = evaluation(translations)
    assert found.bleu == sacrebleu.corpus_bleu(translations, [SENTENCES]).score
    assert found.chrf == sacrebleu.corpus_chrf(translations, [SENTENCES]).score
    whole = evaluation(SENTENCES)
    assert (round(whole.bleu, 6), round(whole.chrf, 6), whole.length_ratio) == (100, 100, 1)


def test_the_worst_sentences_come_first() -> None:
    translations = [*SENTENCES]
    translations[4], translations[7] = "zzz", SENTENCES[7][:8]
    worst = evaluation(tuple(translations)).worst(2)
    assert [source for _, source, _, _ in worst] == [SENTENCES[4], SENTENCES[7]]
    assert worst[0][0] < worst[1][0] < 100


def test_a_clear_difference_is_significant_and_none_is_not() -> None:
    worse = tuple(sentence[::-1] for sentence in SENTENCES)
    for _, one, other, p in compare(evaluation(worse, "a"), evaluation(SENTENCES, "b")):
        assert one < other
        assert p < 0.01
    one_off, another_off = [*SENTENCES], [*SENTENCES]
    one_off[0], another_off[9] = SENTENCES[0][:9], SENTENCES[9][:9]
    for _, _, _, p in compare(evaluation(tuple(one_off)), evaluation(tuple(another_off), "b")):
        assert p > 0.05


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    source, reference = tmp_path / "dev.fr", tmp_path / "dev.en"
    source.write_text("Un.\nDeux.\n", encoding="utf-8")
    reference.write_text("One.\n", encoding="utf-8")
    with pytest.raises(InvalidTestSet, match=r"has 2 lines and .* has 1"):
        TestSet.read(source, reference)
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(InvalidTestSet, match=r"has 0 lines and .* has 0; .* at least one"):
        TestSet.read(empty, empty)
    with pytest.raises(InvalidTestSet, match="can't be read"):
        TestSet.read(source, tmp_path / "missing")
    reference.write_bytes(b"One.\n\xff\n")
    with pytest.raises(InvalidTestSet, match="can't be read"):
        TestSet.read(source, reference)


def test_lines_are_ended_by_newlines_only(tmp_path: Path) -> None:
    file = tmp_path / "dev"
    file.write_text("a\u2028b\x0cc\nd\n", encoding="utf-8")
    assert TestSet.read(file, file).sources == ("a\u2028b\x0cc", "d")


def test_the_command_prints_scores_and_a_comparison(
    tiny_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tatoeba.fr"
    file.write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    files = ["--source", str(file), "--reference", str(file)]
    arguments = ["evaluate", str(tiny_directory), *files, "--variant", "int8", "--worst", "2"]
    assert command.main([*arguments, "--baseline", str(tiny_directory)]) == 0
    shown = capsys.readouterr().out
    assert "tiny int8 on tatoeba" in shown
    assert "Worst sentences" in shown
    assert "Compared sentence by sentence" in shown
