"""instance/resources.toml: read at start, refused with one line that names the fault, and what it makes of scopes."""

import pytest

from latchkey import resources, scopes
from latchkey.naming import listed
from tests import apis

pytestmark = pytest.mark.either_database("asks the database nothing")

PROJECTS = """
[projects]
identifier = "https://api.example.com"
title = "Projects API"
scopes = ["projects:read", "projects:write"]
"""


def test_without_a_file_the_built_in_api_has_every_scope(settings, catalogues):
    catalogues(apis.SCOPES)

    assert list(resources.catalogue()) == ["account", "mcp"]
    assert resources.account().scopes == frozenset(scopes.catalogue())
    assert resources.account().identifier == "http://localhost"


def test_scopes_belong_to_the_api_that_names_them_and_the_rest_to_the_built_in_one(two_apis):
    assert list(resources.catalogue()) == ["projects", "billing", "account", "mcp"]
    assert resources.owner("projects:write").title == "Projects API"
    assert resources.owner("account:read").name == "account"
    assert resources.account().scopes == {scope.name for scope in scopes.SHIPPED} == resources.mcp().scopes
    assert resources.catalogue()["billing"].default == "billing:read"


@pytest.mark.parametrize("named", ["projects", "https://api.example.com", "HTTPS://api.EXAMPLE.com:443/./"])
def test_an_api_is_found_by_name_and_by_every_spelling_of_its_identifier(two_apis, named):
    assert resources.find(named).name == "projects"


@pytest.mark.parametrize(
    "named", ["", "Projects", "api.example.com", "https://api.example.com/v2", "http://[", "a" * 9000]
)
def test_what_only_looks_like_an_api_is_none(two_apis, named):
    assert resources.find(named) is None


def test_people_see_the_operators_apis_first_and_each_scope_once(two_apis):
    parts = listed.by_resource()

    assert [resource.name for resource, _ in parts] == ["projects", "billing", "account"]
    names = [scope.name for _, groups in parts for members in groups.values() for scope in members]
    assert sorted(names) == sorted(scopes.catalogue())


@pytest.mark.parametrize(
    "text, said",
    [
        ("nonsense", "cannot be read"),
        ("[Projects]", "is no name of a resource"),
        ('["a b"]', "is no name of a resource"),
        (f"[{'a' * 41}]", "is no name of a resource"),
        ("[account]", "is built in"),
        ("[mcp]", "is built in"),
        ("projects = 1", "must be a table"),
        ("[[projects]]", "must be a table"),
        ("[projects]", "needs identifier"),
        (PROJECTS.replace('"https://api.example.com"', "1"), "needs identifier"),
        (PROJECTS.replace("api.example.com", "api.example.com#x"), "needs identifier"),
        (PROJECTS.replace("https://api.example.com", "/api"), "needs identifier"),
        (PROJECTS.replace("https://api", "https://me@api"), "needs identifier"),
        (PROJECTS.replace("https://api.example.com", "https://" + "a" * 2000), "needs identifier"),
        (PROJECTS.replace("https://api.example.com", "HTTP://LOCALHOST:80/"), '"account" has'),
        (PROJECTS.replace("https://api.example.com", "http://localhost/mcp"), '"mcp" has'),
        (PROJECTS.replace('"Projects API"', '""'), "needs title"),
        (PROJECTS.replace('"Projects API"', '"a\\nb"'), "needs title"),
        (PROJECTS.replace('"Projects API"', f'"{"x" * 81}"'), "needs title"),
        (PROJECTS.replace('title = "Projects API"', ""), "needs title"),
        (PROJECTS + 'documentation = "javascript:alert(1)"', "documentation"),
        (PROJECTS + "documentation = 7", "documentation"),
        (PROJECTS + "colour = 1", "unknown key 'colour'"),
        (PROJECTS.replace('["projects:read", "projects:write"]', "[]"), "needs scopes"),
        (PROJECTS.replace('["projects:read", "projects:write"]', '"projects:read"'), "needs scopes"),
        (PROJECTS.replace('["projects:read", "projects:write"]', "[1]"), "needs scopes"),
        (PROJECTS.replace("projects:write", "projects:gone"), "not in scopes.toml"),
        (PROJECTS.replace("projects:write", "account:read"), "belongs to the built-in account"),
        (PROJECTS + PROJECTS.replace("[projects]", "[other]").replace("api.", "b."), '"other" has projects:read'),
        (PROJECTS + PROJECTS.replace("[projects]", "[other]").replace("projects:", "billing:"), "not in scopes.toml"),
        (
            PROJECTS
            + '[other]\nidentifier = "https://api.example.com:443/"\ntitle = "Other"\nscopes = ["billing:read"]',
            '"other" has https://api.example.com/',
        ),
    ],
)
def test_a_bad_file_is_refused_with_one_line_that_names_the_fault(catalogues, text, said):
    with pytest.raises(scopes.BadCatalogue) as refusal:
        catalogues(apis.SCOPES, text)

    assert said in str(refusal.value)
    assert str(refusal.value).startswith("resources.toml") and "\n" not in str(refusal.value)


def test_forms_say_on_which_api_a_group_is(two_apis):
    about = {group.name: group.about for group in listed.for_forms()}

    assert about["Projects"] == "On the Projects API"
    assert about["Billing"] == "On the Billing API"
    assert about["Account"] == "Name and e-mail address"


def test_groups_of_two_apis_with_one_name_and_title_keep_all_their_scopes(catalogues):
    same = apis.SCOPES.replace('"Billing"', '"Projects"')
    catalogues(same, apis.RESOURCES.replace("Billing API", "Projects API"))

    names = [scope.name for members in listed.for_forms().values() for scope in members]
    assert sorted(names) == sorted(scopes.catalogue())
