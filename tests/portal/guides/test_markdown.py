"""The guides as Markdown: the same text for programs, at the same address with .md."""

import re

import pytest

from latchkey import settings as settings_module
from portal.guides import markdown, search
from tests import factories

PATHS = [
    "/docs/authentication",
    "/docs/oauth",
    "/docs/scopes",
    "/docs/secrets",
    "/docs/agents",
    "/docs/agents/claude-code",
    "/docs/agents/vs-code",
    "/docs/agents/cursor",
    "/docs/agents/chatgpt",
    "/docs/agents/mcp-inspector",
    "/docs/api",
    "/docs/your-api",
    "/docs/your-api/inside",
    "/docs/your-api/gateway",
    "/docs/your-api/service",
    "/docs/gateways",
]


def test_every_guide_is_listed_for_programs(app, client):
    answer = client.get("/llms.txt")
    listed = re.findall(r"^- \[([^]]+)\]\(http://localhost(/docs/[^)]+)\.md\): (.+)$", answer.text, re.MULTILINE)

    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text.startswith("# Latchkey\n\n> ")
    assert [path for _, path, _ in listed] == PATHS
    guides = {rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint.startswith("portal.guide_")}
    assert guides - {"portal.guide_markdown", "portal.guide_list"} == set(search.GUIDES)


@pytest.mark.either_database("a guide is read without a statement")
@pytest.mark.parametrize("path", PATHS)
def test_a_guide_has_its_text_at_the_same_address_with_md(client, path):
    page, answer = client.get(path), client.get(f"{path}.md")

    assert answer.status_code == 200
    assert answer.content_type == "text/markdown; charset=utf-8"
    title = re.search(r"<h1[^>]*>(.*?)</h1>", page.text)[1]
    assert answer.text.startswith(f"# {title}")
    headings = len(re.findall(r"<h2\b", page.text.partition("<article")[2].partition("</article>")[0]))
    assert len(re.findall(r"^## ", answer.text, re.MULTILINE)) == headings
    assert not re.search(
        r"</?(p|div|span|a|table|button|svg)\b[ >]", re.sub(r"```.*?```|`[^`]*`", "", answer.text, flags=re.DOTALL)
    )
    assert "](/" not in answer.text and "](#" not in answer.text
    assert f'<http://localhost{path}.md>; rel="alternate"; type="text/markdown"' in page.headers["Link"]
    assert f'data-copy-url="{path}.md"' in page.text and "Copy as Markdown" in page.text


def test_it_is_the_same_for_everybody_and_may_be_kept(client, signed_in, alice):
    app = factories.make_client(alice, name="Secret plans").client
    theirs = signed_in.get("/docs/oauth.md")

    assert app.id not in theirs.text and app.id in signed_in.get("/docs/oauth").text
    signed_out = signed_in.application.test_client().get("/docs/oauth.md")
    assert signed_out.text == theirs.text
    assert "max-age=300" in signed_out.headers["Cache-Control"] and signed_out.headers["ETag"]
    again = signed_in.application.test_client().get(
        "/docs/oauth.md", headers={"If-None-Match": signed_out.headers["ETag"]}
    )
    assert again.status_code == 304


@pytest.mark.either_database("a guide is read without a statement")
@pytest.mark.parametrize("name", ["nothing", "explain", "search", "../app", "oauth.md", "%00", "a" * 3000, "oauth/"])
def test_what_is_no_guide_has_no_markdown(client, name):
    assert client.get(f"/docs/{name}.md").status_code == 404


def test_other_answers_name_no_markdown(client):
    for path in ("/docs/search", "/login", "/docs/oauth.md", "/llms.txt"):
        assert "text/markdown" not in client.get(path).headers.get("Link", "")


@pytest.mark.either_database("a guide is read without a statement")
@pytest.mark.settings(base_url="https://p.example")
@pytest.mark.parametrize(
    "html, written",
    [
        ("<h1>A</h1><p>b <strong>c</strong>\n d</p>", "# A\n\nb **c** d\n"),
        ("<p>5 * 3 [x] a_b `t` &lt;b&gt; \\ </p>", "5 \\* 3 \\[x\\] a\\_b \\`t\\` \\<b> \\\\\n"),
        ("<p>Use <code>a_b*c</code>.</p>", "Use `a_b*c`.\n"),
        ('<p><a href="/x?y">z</a> <a href="#q">w</a></p>', "[z](https://p.example/x?y) w\n"),
        ("<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>", "- a\n- b\n  - c\n"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n1. b\n"),
        ("<pre><code>x  <span>y</span>\n  z\n</code></pre>", "```\nx  y\n  z\n```\n"),
        ("<pre>```</pre>", "````\n```\n````\n"),
        (
            "<table><tr><th>a</th><th>b</th></tr><tr><td>c|d</td><td><p>e</p><p>f</p></td></tr></table>",
            "| a | b |\n| --- | --- |\n| c\\|d | e f |\n",
        ),
        ('<p>a<svg><path d="x"/></svg><button>Copy</button><span class="vh">b</span></p>', "a\n"),
        ('<div class="code__bar"><span>Terminal<br></span></div><p>a</p>', "a\n"),
    ],
)
def test_what_html_becomes(settings, html, written):
    page = f'<meta name="description" content="About."><nav>no</nav><article>{html}</article><p>no</p>'

    guide = markdown.written("/docs/x", page)

    assert (guide.about, guide.text) == ("About.", written)


@pytest.mark.settings(brand_name="Acme", base_url="https://keys.acme.example")
def test_addresses_and_name_are_the_operators(client):
    text = client.get("/llms.txt").text

    assert text.startswith("# Acme\n")
    assert "(https://keys.acme.example/docs/oauth.md)" in text
    assert settings_module.current().base_url in client.get("/docs/authentication.md").text
