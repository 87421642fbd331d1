"""Signing in with what the company has, in Chromium: there and back, also from a form, and no password anywhere."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import assert_accessible, assert_fits
from tests.portal.auth.upstream.company import company

pytestmark = [pytest.mark.own_server, pytest.mark.standard("L-13")]


def test_a_person_signs_in_with_the_company(browser, tmp_path, settings):
    with company(tmp_path, settings) as two:
        context = browser.new_context(base_url=two.portal.url)
        page = context.new_page()
        page.goto("/tokens/new")
        assert_accessible(page)
        assert_fits(page)
        expect(page.get_by_label("Password")).to_have_count(0)
        page.get_by_role("link", name="Continue with Acme").click()
        page.get_by_placeholder("Enter any login").fill("ada")
        page.get_by_placeholder("and password").fill("x")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        expect(page).to_have_url(f"{two.portal.url}/tokens/new")

        page.goto("/settings/security")
        assert_accessible(page)
        assert_fits(page)
        expect(page.get_by_role("heading", name="Linked sign-ins")).to_be_visible()
        # In answer to a form, past what pages say about where forms may lead.
        page.get_by_role("link", name="Unlink ada@example.com").click()
        assert_accessible(page)
        page.get_by_role("button", name="Continue with Acme").click()
        expect(page.get_by_placeholder("Enter any login")).to_be_visible()
        context.close()
