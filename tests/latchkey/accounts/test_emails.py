import pytest

from latchkey import settings as settings_module
from latchkey.accounts import emails


@pytest.mark.parametrize(
    "signup, email, lets_in",
    [
        ("open", "ada@example.com", True),
        ("invite", "ada@example.com", False),
        ("example.com,example.org", "ada@EXAMPLE.org", True),
        ("example.com", "ada@sub.example.com", False),
        ("example.com", "ada@notexample.com", False),
        ("example.com", '"ada@example.com"@evil.example', False),
    ],
)
def test_an_installation_says_who_may_sign_up(settings, signup, email, lets_in):
    settings_module.use(
        settings_module.load({}, instance=settings.instance, database_url=settings.database_url, signup=signup)
    )

    if lets_in:
        emails.check_sign_up(email)
    else:
        with pytest.raises(emails.SignupClosed):
            emails.check_sign_up(email)


@pytest.mark.settings(signup="straße.example,example.org")
@pytest.mark.parametrize("domain", ["straße.example", "xn--strae-oqa.example", "STRAẞE.example", "example.org"])
def test_domains_that_may_sign_up_are_told_and_compared_in_either_spelling(settings, domain):
    emails.check_sign_up(f"ada@{domain}")
    with pytest.raises(emails.SignupClosed, match="straße"):
        emails.check_sign_up("ada@strasse.example")


@pytest.mark.standard("A-07")
def test_what_is_no_address_is_counted_by_a_bounded_key():
    assert len(emails.key("a@" * 500_000)) <= emails.LONGEST
