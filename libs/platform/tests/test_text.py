from tallystick_platform.text import fitting


def test_a_text_is_cut_to_what_fits_and_holds_no_nul() -> None:
    assert fitting("so\0 far", 4) == "so f"
