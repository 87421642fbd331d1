import pytest

from latchkey import domains


@pytest.mark.parametrize(
    "typed, kept, shown",
    [
        ("example.com", "example.com", "example.com"),
        ("EXAMPLE.Com", "example.com", "example.com"),
        ("straße.example", "xn--strae-oqa.example", "straße.example"),
        ("xn--strae-oqa.example", "xn--strae-oqa.example", "straße.example"),
        ("BÜCHER.example", "xn--bcher-kva.example", "bücher.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example", "bücher.example"),
        ("ｅｘａｍｐｌｅ。com", "example.com", "example.com"),
        ("βόλος.com", "xn--nxasmm1c.com", "βόλος.com"),
    ],
)
def test_every_spelling_of_a_domain_is_kept_as_one(typed, kept, shown):
    assert domains.to_ascii(typed) == kept
    assert domains.shown(kept) == shown


@pytest.mark.parametrize("typed", ["", "example", "a..b", "-a.example", "a b.example", "example.com.", "xn--a.example"])
def test_what_is_no_domain_is_refused(typed):
    with pytest.raises(ValueError, match=r".+"):
        domains.to_ascii(typed)


@pytest.mark.standard("A-07")
@pytest.mark.parametrize(
    "typed", ["a." * 500_000 + "example", "\u0661" * 100_000, "xn--" + "a" * 100_000], ids=range(3)
)
def test_a_domain_is_measured_first(typed):
    with pytest.raises(ValueError, match="longer than"):
        domains.to_ascii(typed)


def test_what_decodes_to_no_domain_is_shown_as_it_is():
    assert domains.shown("xn--a.example") == "xn--a.example"
