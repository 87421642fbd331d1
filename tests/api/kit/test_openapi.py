"""The description of the API: a valid document, complete, and what the API really does."""

import json
import re

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from api.kit import auth
from app import create_app
from latchkey import scopes
from tests.api.calls import app_caller

NEW_APP = {"name": "Fieldnotes", "redirect_uris": ["https://fieldnotes.example/cb"], "scopes": ["account:read"]}


@pytest.fixture
def document(nobody) -> dict:
    response = nobody.get("/v1/openapi.json")
    assert response.status_code == 200
    return response.get_json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def checker(document, name):
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_the_document_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    validate(document)


@pytest.mark.standard("H-05")
def test_each_call_names_its_scopes_and_what_can_come(document):
    found = dict(operations(document))

    assert found["get /v1/me"]["security"] == [{"oauth2": ["account:read"]}, {"developerToken": []}]
    assert found["get /v1/scopes"]["security"] == []
    for name, operation in found.items():
        answers = set(operation["responses"])
        assert {"500", "503"} <= answers
        assert ("401" in answers) == bool(operation["security"])
        signed = name == "post /v1/credentials/alerts"
        assert ("403" in answers) == (bool(operation["security"]) or signed)
        assert ("404" in answers) == ("{" in name or signed)
        assert ("415" in answers) == ("requestBody" in operation)
        assert operation["operationId"]
        assert operation["summary"]
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    known = document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]["scopes"]
    assert set(known) == set(scopes.catalogue())


def test_every_example_is_what_its_schema_says(document):
    for _, operation in operations(document):
        media = [*operation.get("requestBody", {}).get("content", {}).values()]
        for response in operation["responses"].values():
            media += response.get("content", {}).values()
        for each in media:
            schema = {**each["schema"], "components": document["components"]}
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(each["example"])
    for response in document["components"]["responses"].values():
        for each in response["content"].values():
            checker(document, "Problem").validate(each["example"])


@pytest.mark.standard("O-06")
def test_real_answers_have_exactly_the_described_members(app, document, hers, alice, example_client):
    made = hers.post("/v1/tokens", {"description": "x", "scopes": ["account:read"]}).get_json()
    made_app = hers.post("/v1/apps", NEW_APP).get_json()
    program = app_caller(app.test_client(), example_client, alice, "account:read")
    real = {
        "User": hers.get("/v1/me"),
        "PresentedToken": program.get("/v1/token"),
        "Token": hers.get(f"/v1/tokens/{made['id']}"),
        "TokenList": hers.get("/v1/tokens"),
        "TokenWithText": hers.post("/v1/tokens", {"description": "y", "scopes": ["account:read"]}),
        "App": hers.get(f"/v1/apps/{made_app['id']}"),
        "AppList": hers.get("/v1/apps"),
        "AppWithSecret": hers.post(f"/v1/apps/{made_app['id']}/secret"),
        "AuthorizationList": hers.get("/v1/authorizations"),
        "EventList": hers.get("/v1/activity"),
        "ScopeList": hers.get("/v1/scopes"),
        "Accepted": hers.post("/v1/credentials/revoke", {"credentials": ["x"]}),
        "Problem": hers.get("/v1/tokens/nothing"),
    }

    for name, response in real.items():
        answer = response.get_json()
        checker(document, name).validate(answer)
        if name == "Problem":
            continue
        rows = answer["data"] if name.endswith("List") else [answer]
        described = document["components"]["schemas"][name.removesuffix("List")]
        assert rows
        for row in rows:
            assert set(row) == set(described["properties"]), name
            assert set(row) == set(described["examples"][0]), name


def test_the_catalogue_of_this_installation_is_in_it(instance, settings):
    (instance / "scopes.toml").write_text(
        '["projects:read"]\ntitle = "See projects"\ndescription = "List them."\ngroup = "Projects"\n'
    )
    app = create_app(settings)
    document = app.test_client().get("/v1/openapi.json").get_json()

    assert "projects:read" in json.dumps(document["components"]["schemas"]["NewToken"])


def test_a_view_that_says_nothing_more_is_described_by_its_docstring(app):
    @auth.require_scope("account:read")
    def show_project(caller, project_id):
        """Show a project."""

    app.add_url_rule("/v1/projects/<project_id>", "api.show_project", show_project)
    document = app.test_client().get("/v1/openapi.json").get_json()

    validate(document)
    described = document["paths"]["/v1/projects/{project_id}"]["get"]
    assert described["summary"] == "Show a project."
    assert described["security"][0] == {"oauth2": ["account:read"]}
    assert [parameter["name"] for parameter in described["parameters"]] == ["project_id"]


def test_the_document_holds_no_credential_of_ours(document):
    text = json.dumps(document)

    assert not re.search(r"lk_(dev|oat|ort|sec)_[0-9A-Za-z]{30}(?!000000)[0-9A-Za-z]{6}", text)


def test_it_may_be_cached_and_asked_for_again(nobody):
    first = nobody.get("/v1/openapi.json")

    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert nobody.get("/v1/openapi.json", If_None_Match=first.headers["ETag"]).status_code == 304
