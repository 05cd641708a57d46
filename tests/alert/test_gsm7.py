"""The SMS alphabet against the table of 3GPP TS 23.038, and its segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.alert.gsm7 import BASIC, EXTENSION, cut_to, is_gsm7, size_of, transliterated

#: 6.2.1, column by column, where it is not ASCII.
TABLE = {
    0x00: "@", 0x01: "£", 0x02: "$", 0x03: "¥", 0x04: "è", 0x05: "é", 0x06: "ù", 0x07: "ì", 0x08: "ò", 0x09: "Ç",
    0x0A: "\n", 0x0B: "Ø", 0x0C: "ø", 0x0D: "\r", 0x0E: "Å", 0x0F: "å", 0x10: "Δ", 0x11: "_", 0x12: "Φ", 0x13: "Γ",
    0x14: "Λ", 0x15: "Ω", 0x16: "Π", 0x17: "Ψ", 0x18: "Σ", 0x19: "Θ", 0x1A: "Ξ", 0x1B: "\x1b", 0x1C: "Æ", 0x1D: "æ",
    0x1E: "ß", 0x1F: "É", 0x24: "¤", 0x40: "¡", 0x5B: "Ä", 0x5C: "Ö", 0x5D: "Ñ", 0x5E: "Ü", 0x5F: "§", 0x60: "¿",
    0x7B: "ä", 0x7C: "ö", 0x7D: "ñ", 0x7E: "ü", 0x7F: "à",
}  # fmt: skip


def test_the_basic_table() -> None:
    assert len(BASIC) == 128
    assert len(set(BASIC)) == 128
    for code, character in enumerate(BASIC):
        assert character == TABLE.get(code, chr(code)), hex(code)


def test_the_extension_table() -> None:
    assert EXTENSION == {
        "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "alphabet", "units", "segments"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("a" * 152 + "€" * 77, "GSM-7", 306, 3),  # 153 units: an € does not begin in one segment and end in the next
        ("é" * 160, "GSM-7", 160, 1),
        ("ж" * 70, "UCS-2", 70, 1),
        ("ж" * 71, "UCS-2", 71, 2),
        ("a" * 69 + "“", "UCS-2", 70, 1),
        ("🔥" * 35, "UCS-2", 70, 1),
        ("🔥" * 36, "UCS-2", 72, 2),
    ],
)
def test_what_a_text_costs(text: str, alphabet: str, units: int, segments: int) -> None:
    found = size_of(text)
    assert (found.alphabet, found.units, found.segments) == (alphabet, units, segments)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“quoted” ‘it’s’ – …", "\"quoted\" 'it's' - ..."),
        ("àèéùìòÇØøÅåÄÖÑÜäöñüß", "àèéùìòÇØøÅåÄÖÑÜäöñüß"),
        ("çáíóúâêîôûãõëï", "caiouaeiouaoei"),
        ("Платежи", "Platezhi"),
        ("東京", "DongJing"),
        ("a\u0301 e\u0301", "a é"),
        ("p95 ≥ 3 s → 5 €", "p95 >= 3 s -> 5 €"),
        ("\u202e\u200b", ""),
        ("\ue000", "?"),
    ],
)
def test_what_the_alphabet_lacks_is_spelled(text: str, expected: str) -> None:
    assert transliterated(text) == expected


@given(st.text(max_size=400), st.integers(1, 4))
def test_any_text_comes_into_the_alphabet_and_into_its_segments(text: str, segments: int) -> None:
    spelled = transliterated(text)
    assert is_gsm7(spelled)
    short = cut_to(spelled, segments)
    assert size_of(short).segments <= segments
    assert short == spelled or short.endswith("...")
