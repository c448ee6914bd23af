"""Entries of glossaries, as programs write them."""

from __future__ import annotations

from service.text.glossary_entries import from_csv, from_tsv

MARK = "\ufeff"
"""The byte order mark of UTF-8, which spreadsheets write in front."""


def test_a_byte_order_mark_is_no_part_of_the_first_term() -> None:
    expected = {"chat": "tomcat", "chien": "dog, good"}
    assert from_tsv(f"{MARK}chat\ttomcat\r\nchien\tdog, good\r\n") == expected
    assert from_csv(f'{MARK}chat,tomcat\r\nchien,"dog, good"\r\n') == expected
    assert from_csv(f'{MARK}"chat","tomcat"\r\n"chien","dog, good"\r\n') == expected
    assert from_tsv(f"{MARK}\r\nchat\ttomcat") == {"chat": "tomcat"}
