"""A stranger's string can be stored, logged and shown once it is clean."""

from scanner.pipeline.text import clean, clean_name, quote


class TestText:
    def test_a_message_keeps_newlines_and_tabs_and_drops_other_control_characters(self) -> None:
        assert clean(" a\0\x07\r\n\tb\x7f\x9f é😀 ", 50) == "a\n\tb é😀"

    def test_lone_surrogates_become_replacement_characters(self) -> None:
        assert clean("\ud83d\0\ude00", 50) == clean_name("\ud83d\0\ude00", 50) == "\ufffd\ufffd"

    def test_a_message_is_clipped_with_an_ellipsis(self) -> None:
        assert clean("abcdef", 6) == "abcdef"
        assert clean("abcdefg", 6) == "abcde…"

    def test_a_name_keeps_no_control_character(self) -> None:
        assert clean_name("\tA\nB\0C\x1b ", 50) == "ABC"

    def test_a_quotation_is_printable_and_bounded(self) -> None:
        assert quote("a\n\ud800\u202e") == r"'a\n\ud800\u202e'"
        assert quote("x" * 500) == "'" + "x" * 78 + "…"
