"""A person at a browser without script, over HTTP: signs in, reads, decides; follows nothing beyond this portal."""

import html
import re
from urllib.parse import urljoin, urlsplit

import requests

from latchkey.accounts.users import User
from tests import pages
from tests.factories import PASSWORD


class Person:
    """One browser profile on a running server."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session = requests.Session()

    def open(self, url: str) -> requests.Response:
        """What is shown at an address, following redirects as long as they stay here."""
        return self._follow(self.session.get(urljoin(self.base_url, url), allow_redirects=False))

    def _follow(self, answer: requests.Response) -> requests.Response:
        while answer.is_redirect and self.is_here(answer.headers["Location"]):
            answer = self.session.get(urljoin(answer.url, answer.headers["Location"]), allow_redirects=False)
        return answer

    def is_here(self, location: str) -> bool:
        return urlsplit(urljoin(self.base_url, location)).netloc == urlsplit(self.base_url).netloc

    def submit(self, page: requests.Response, path: str, **fields: str) -> requests.Response:
        hidden = {
            name: html.unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
        }
        data = {"csrf_token": pages.csrf(page.text)} | hidden | fields
        answer = self.session.post(urljoin(self.base_url, path), data=data, allow_redirects=False)
        return self._follow(answer)

    def sign_in(self, page: requests.Response, user: User) -> requests.Response:
        return self.submit(page, "/login", email=user.email, password=PASSWORD)

    def agree(self, url: str, user: User, decision: str = "allow") -> str:
        """Where the app's authorization request leads in the end: the address at the app."""
        page = self.open(url)
        if 'name="password"' in page.text:
            page = self.sign_in(page, user)
        if page.status_code == 200:
            assert f'Signed in as <b class="break">{user.email}' in page.text, page.text
            page = self.submit(page, "/oauth/authorize", decision=decision)
        assert page.is_redirect, (page.status_code, page.text[:2000])
        return page.headers["Location"]
