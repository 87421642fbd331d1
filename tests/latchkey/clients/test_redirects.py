import re

import pytest
from hypothesis import given, settings
from hypothesis.strategies import from_regex

from latchkey.clients import redirects
from latchkey.clients.redirects import BadRedirectURI

REGISTERED = "https://app.example.com/callback"


@pytest.mark.standard("B-18")
@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/callback",
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com:8443/callback?tenant=a%20b",
        "https://xn--bcher-kva.example/cb",
        "https://[2001:db8::1]/cb",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:8765/callback",
        "http://[::1]/callback",
        "http://localhost:3000/callback",
        "com.example.app:/callback",
        "com.example.app:/",
        "com.example.my-app:/oauth/callback?x=1",
        "com.example.app://cb",
        "com.example.app://oauth.example/cb?x=1",
        "https://my_app.example.com/cb",
        "https://_app.example.com/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "vscode://vscode.github-authentication/did-authenticate",
    ],
)
def test_an_address_that_leads_to_one_app_is_kept_byte_for_byte(uri):
    assert redirects.check(uri) == uri
    assert re.search(redirects.PATTERN, uri)


@pytest.mark.standard("J-02")
@pytest.mark.parametrize(
    "uri, words",
    [
        ("", "1 to 2,000"),
        ("https://app.example.com/" + "a" * 2000, "1 to 2,000"),
        ("http://app.example.com/callback", "Use https"),
        ("http://127.0.0.1.example.com/", "Use https"),
        ("http://10.0.0.1/", "Use https"),
        ("https://", "whole address"),
        ("https:///callback", "whole address"),
        ("https:app.example.com/callback", "whole address"),
        ("https:/app.example.com/callback", "whole address"),
        ("https://*.example.com/callback", "wildcard"),
        ("https://app.example.com/*", "wildcard"),
        ("https://app.example.com/callback#", "fragment"),
        ("https://app.example.com/callback#top", "fragment"),
        ("https://user@app.example.com/callback", "user name"),
        ("https://user:word@app.example.com/callback", "user name"),
        ("http://127.0.0.1@evil.example/", "user name"),
        ("https://app.example.com\\@evil.example/", "plain ASCII"),
        ("https://app.example.com/call back", "plain ASCII"),
        ("https://app.example.com/\r\nSet-Cookie: a=b", "plain ASCII"),
        ("https://app.example.com/callback\n", "plain ASCII"),
        ("https://app.example.com/caf\u00e9", "plain ASCII"),
        ("https://app.example.com/%zz", "plain ASCII"),
        ("https://\u0430pp.example.com/", "plain ASCII"),
        ("https://App.Example.com/callback", "lower case"),
        ("https://app..example.com/", "lower case"),
        ("https://-app.example.com/", "lower case"),
        ("https://app.example.com:/callback", "whole address"),
        ("https://app.example.com:0/callback", "lower case"),
        ("https://app.example.com:99999/callback", "lower case"),
        ("https://app.example.com:8o/callback", "lower case"),
        ("https://app.example.com/a/../callback", r"\. and \.\."),
        ("https://app.example.com/./callback", r"\. and \.\."),
        ("https://app.example.com/a/%2e%2E/callback", r"\. and \.\."),
        ("com.example.app:/../callback", r"\. and \.\."),
        ("HTTPS://app.example.com/callback", "Use https"),
        ("javascript:alert(1)", "Use https"),
        ("javascript://app.example.com/%0aalert(1)", "Use https"),
        ("data:text/html,hello", "Use https"),
        ("vbscript:x", "Use https"),
        ("file:///etc/passwd", "Use https"),
        ("blob:https://app.example.com/1", "Use https"),
        ("about:blank", "Use https"),
        ("ftp://app.example.com/", "Use https"),
        ("myapp:/callback", "Use https"),
        ("myapp://callback", "Use https"),
        ("com.example.app://", "Use https"),
        ("com.example.app:///callback", "Use https"),
        ("com.example.app://user@callback", "Use https"),
        ("com.example.app://callback:80/", "Use https"),
        ("com.example.app://callback/../x", r"\. and \.\."),
        ("https://[:::]/cb", "host name"),
        ("https://[1::2::3]/cb", "host name"),
        ("https://[1.1]/cb", "host name"),
        ("https://[::1/cb", "host name"),
        ("com.example.app://..", r"\. and \.\."),
        ("cursor://anysphere.cursor-mcp/oauth/callback2", "Use https"),
        ("cursor://anysphere.cursor-mcp/oauth/callback?x=1", "Use https"),
        ("cursor://evil.cursor-mcp/oauth/callback", "Use https"),
        ("Cursor://anysphere.cursor-mcp/oauth/callback", "Use https"),
        ("vscode://vscode.github-authentication/", "Use https"),
        ("com.example.app:callback", "Use https"),
        ("Com.Example.App:/callback", "Use https"),
        ("urn:ietf:wg:oauth:2.0:oob", "Use https"),
        ("/callback", "Use https"),
        ("app.example.com/callback", "Use https"),
    ],
)
def test_an_address_that_could_lead_elsewhere_is_refused_in_words(uri, words):
    with pytest.raises(BadRedirectURI, match=words):
        redirects.check(uri)
    assert len(uri) > redirects.LONGEST or not re.fullmatch(redirects.PATTERN, uri)


@pytest.mark.slow("generates addresses by the hundred")
@settings(database=None, deadline=None, derandomize=True)
@given(from_regex(redirects.PATTERN[1:-1], fullmatch=True))
def test_whatever_programs_are_told_is_taken(uri):
    assert redirects.check(uri) == uri


@pytest.mark.standard("B-04")
@pytest.mark.parametrize(
    "sent",
    [
        "https://app.example.com/callback/",
        "https://app.example.com/callback?",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/callback#x",
        "https://app.example.com/Callback",
        "https://app.example.com/call%62ack",
        "https://app.example.com/callback/../callback",
        "https://app.example.com/callback%00",
        "https://app.example.com:443/callback",
        "https://APP.example.com/callback",
        "https://app.example.com./callback",
        "https://user@app.example.com/callback",
        "https://app.example.com@evil.example/callback",
        "https://evil.example/callback",
        "https://app.example.com.evil.example/callback",
        "https://sub.app.example.com/callback",
        "http://app.example.com/callback",
        "HTTPS://app.example.com/callback",
        "https:app.example.com/callback",
        " https://app.example.com/callback",
        "https://app.example.com/callback\t",
        "",
    ],
)
def test_no_mutation_of_a_registered_address_passes_for_it(sent):
    assert redirects.matches(REGISTERED, REGISTERED)
    assert not redirects.matches(sent, REGISTERED)


@pytest.mark.standard("B-05")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_an_app_on_this_device_may_use_any_port(host):
    registered = f"http://{host}/callback?x=1"

    assert redirects.matches(f"http://{host}:51004/callback?x=1", registered)
    assert redirects.matches(registered, f"http://{host}:8000/callback?x=1")


@pytest.mark.standard("B-05")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_on_this_device_an_empty_path_equals_a_slash(host):
    for registered in (f"http://{host}:33418", f"http://{host}:33418/"):
        for sent in (f"http://{host}", f"http://{host}/", f"http://{host}:33418/", f"http://{host}:5000"):
            assert redirects.matches(sent, registered), (sent, registered)
        assert not redirects.matches(f"http://{host}:33418//", registered)
        assert not redirects.matches(f"http://{host}:33418/?", registered)
    assert redirects.matches(f"http://{host}/?x=1", f"http://{host}:1?x=1")
    assert not redirects.matches("https://app.example.com/", "https://app.example.com")
    assert not redirects.matches("https://127.0.0.1/", "https://127.0.0.1")


@pytest.mark.standard("B-05")
@pytest.mark.parametrize(
    "sent",
    [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:51004/callback?x=1",
        "http://127.0.0.1:51004/callback?",
        "http://127.0.0.1:051004/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:5a/callback",
        "http://127.0.0.1:/callback",
        "http://localhost:51004/callback",
        "http://[::1]:51004/callback",
        "http://127.0.0.2:51004/callback",
        "http://127.1:51004/callback",
        "http://127.0.0.1:51004@evil.example/callback",
        "http://127.0.0.1.evil.example:51004/callback",
        "https://127.0.0.1:51004/callback",
    ],
)
def test_nothing_but_the_port_may_differ_on_this_device(sent):
    assert not redirects.matches(sent, "http://127.0.0.1/callback")


@pytest.mark.standard("B-05")
def test_a_port_of_another_host_must_be_the_registered_one():
    assert not redirects.matches("https://app.example.com:8443/callback", REGISTERED)


@pytest.mark.parametrize(
    "sent, words",
    [
        ("https://app.example.com/callback/", "trailing slash"),
        ("https://app.example.com/CALLBACK", "upper and lower case"),
        ("https://app.example.com/callback?x=1", "query"),
        ("https://app.example.com/callback#x", "fragment"),
        ("http://app.example.com/callback", "scheme"),
        ("https://evil.example/", "none of the registered"),
    ],
)
def test_the_owner_reads_how_an_address_differs(sent, words):
    assert words in redirects.difference(sent, [REGISTERED])


@pytest.mark.parametrize(
    "uri, host",
    [
        ("https://app.example.com/callback", "app.example.com"),
        ("https://app.example.com:8443/callback", "app.example.com:8443"),
        ("http://127.0.0.1:9000/callback", ""),
        ("http://localhost/callback", ""),
        ("http://[::1]/callback", ""),
        ("com.example.app:/callback", ""),
    ],
)
def test_people_read_the_host_or_that_the_app_is_on_their_device(uri, host):
    assert redirects.destination(uri) == host
