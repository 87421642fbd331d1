import pytest

from latchkey import resources, scopes


@pytest.fixture
def catalogue(tmp_path):
    """Write scopes.toml and load it; the shipped catalogue comes back afterwards."""
    file = tmp_path / "scopes.toml"

    def load(text: str | bytes) -> None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        scopes.load(file)

    yield load
    scopes.load(tmp_path / "none")


PROJECTS = '["projects:read"]\ntitle = "See projects"\ndescription = "List projects."\ngroup = "Projects"\n'


def test_without_a_file_the_shipped_scopes_are_the_catalogue(tmp_path):
    scopes.load(tmp_path / "scopes.toml")

    assert list(scopes.catalogue()) == [scope.name for scope in scopes.SHIPPED]


def test_an_operators_scope_joins_the_catalogue(catalogue):
    catalogue(PROJECTS)

    assert scopes.catalogue()["projects:read"].title == "See projects"
    assert [scope.name for scope in scopes.groups()[scopes.Group("Projects")]] == ["projects:read"]
    assert scopes.parse("projects:read account:read") == {"projects:read", "account:read"}


def test_every_shipped_group_says_what_it_is_about():
    assert [group.name for group in scopes.groups()] == list(scopes.GROUPS)
    assert all(group.about for group in scopes.groups())


def test_the_operators_scopes_come_first(catalogue):
    catalogue(PROJECTS)

    assert list(scopes.catalogue()) == ["projects:read", *(scope.name for scope in scopes.SHIPPED)]
    assert scopes.serialize({"account:read", "projects:read"}) == "projects:read account:read"


@pytest.mark.parametrize("verb", ["read", "list", "view", "get", "search", "export", "download"])
def test_verbs_that_look_are_reading(catalogue, verb):
    catalogue(PROJECTS.replace("projects:read", f"projects:{verb}"))

    assert scopes.catalogue()[f"projects:{verb}"].access == "read"


@pytest.mark.parametrize("verb", ["deploy", "write", "reads", "download.all", "unlist", "import"])
def test_every_other_verb_is_writing(catalogue, verb):
    catalogue(PROJECTS.replace("projects:read", f"projects:{verb}") + "sensitive = true")

    assert scopes.catalogue()[f"projects:{verb}"].access == "write"
    assert scopes.catalogue()[f"projects:{verb}"].sensitive


@pytest.mark.parametrize("name, access", [("projects:audit", "read"), ("projects:read", "write")])
def test_the_operator_has_the_last_word_on_reading_and_writing(catalogue, name, access):
    catalogue(PROJECTS.replace("projects:read", name) + f'access = "{access}"')

    assert scopes.catalogue()[name].access == access


def test_what_scopes_may_do_together_follows_the_catalogue(catalogue):
    named = frozenset({"account:read", "projects:read"})
    catalogue(PROJECTS)
    before = scopes.access(named)
    catalogue(PROJECTS + 'access = "write"')

    assert (before, scopes.access(named)) == ("read", "write")


@pytest.mark.parametrize(
    "text, said",
    [
        ("nonsense", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        ('["Projects"]\n', "noun:verb"),
        ('["a:b c"]\n', "noun:verb"),
        (PROJECTS.replace("projects:read", "account:read"), "shipped"),
        ('"projects:read" = 1', "must be a table"),
        ('["projects:read"]\ntitle = "See"\ngroup = "P"\n', "needs description"),
        (PROJECTS.replace('"Projects"', '""'), "needs group"),
        (PROJECTS.replace('"See projects"', "7"), "needs title"),
        (PROJECTS.replace('"See projects"', '"See\\nprojects"'), "needs title"),
        (PROJECTS.replace('"See projects"', f'"{"x" * 81}"'), "needs title"),
        (PROJECTS + "colour = 1", "unknown key 'colour'"),
        (PROJECTS + 'sensitive = "yes"', "sensitive"),
        (PROJECTS + "default = 1", "default"),
        (PROJECTS + 'access = "execute"', 'must be "read" or "write"'),
        (PROJECTS + "access = true", 'must be "read" or "write"'),
        (PROJECTS + 'access = ["read"]', 'must be "read" or "write"'),
    ],
)
def test_a_bad_file_is_refused_with_one_line_that_names_the_fault(catalogue, text, said):
    with pytest.raises(scopes.BadCatalogue) as refusal:
        catalogue(text)

    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_wire_string_is_parsed_and_written_in_the_catalogues_order():
    assert scopes.parse("tokens:read  account:read") == {"tokens:read", "account:read"}
    assert scopes.parse("") == frozenset()
    assert scopes.serialize({"tokens:read", "account:read"}) == "account:read tokens:read"


@pytest.mark.parametrize("scope", ["all", "account:read,tokens:read", "account:read\ttokens:read", "*", "ACCOUNT:READ"])
def test_an_unknown_scope_is_refused(scope):
    with pytest.raises(scopes.UnknownScope):
        scopes.parse(scope)
    with pytest.raises(scopes.UnknownScope):
        scopes.check([scope])


def test_nothing_chosen_is_refused_and_never_means_all():
    with pytest.raises(scopes.NoScopes):
        scopes.check([])


def test_a_scope_that_left_the_catalogue_permits_nothing():
    assert scopes.held("account:read projects:read") == {"account:read"}


def test_scopes_that_make_credentials_are_marked_sensitive():
    assert {scope.name for scope in scopes.SHIPPED if scope.sensitive} >= scopes.CREDENTIAL


@pytest.mark.either_database("reads no row")
@pytest.mark.parametrize(
    "more, offered",
    [
        ("", True),
        ("default = false", False),
        ("sensitive = true", False),
        ("sensitive = true\ndefault = false", False),
        ("sensitive = false\ndefault = true", True),
    ],
)
def test_the_default_scopes_are_those_that_any_app_may_have(settings, catalogue, more, offered):
    catalogue(PROJECTS + more)

    assert ("projects:read" in resources.account().default.split()) == offered
    assert "account:read" in resources.account().default.split()
    assert "tokens:write" not in resources.account().default.split()


def test_a_byte_order_mark_is_no_error_and_a_new_emoji_is_text(catalogue):
    catalogue(b"\xef\xbb\xbf" + PROJECTS.replace("See projects", "See projects \U0001faea").encode())

    assert scopes.catalogue()["projects:read"].title == "See projects \U0001faea"
