"""A tap is one frame long, a hold lasts while the keyboard repeats."""

from fer.keys import HeldKey


def active(*polls):
    """Return what is active after each poll of (key, seconds)."""
    held = HeldKey()
    return [held.active(key, now) for key, now in polls]


def test_a_tap_is_one_poll_long():
    assert active(("1", 5.0), ("", 5.03), ("", 5.06)) == ["1", "", ""]


def test_a_hold_goes_on_between_the_repeats_and_ends_after_the_last():
    polls = [("1", 5.0), ("", 5.1), ("1", 5.6), ("", 5.62), ("1", 5.64), ("", 5.7), ("", 5.9), ("", 5.91)]
    assert active(*polls) == ["1", "", "1", "1", "1", "1", "", ""]


def test_another_key_begins_anew():
    assert active(("1", 5.0), ("1", 5.5), ("2", 5.53), ("", 5.55)) == ["1", "1", "2", ""]


def test_two_taps_far_apart_are_no_hold():
    assert active(("1", 5.0), ("1", 7.0), ("", 7.03)) == ["1", "1", ""]
