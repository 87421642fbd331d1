"""Presets: read from scopes.toml at the start, and refused with one line when they are wrong."""

import pytest

from latchkey import scopes
from latchkey.naming import presets

ENTRY = 'title = "t"\ndescription = "d"\ngroup = "g"\n'
DEPLOY = f'["things:read"]\n{ENTRY}[presets."Deploy"]\nscopes = ["things:read", "account:read"]\n'


@pytest.fixture
def file(tmp_path):
    """Write scopes.toml and load it; the shipped catalogue comes back afterwards."""

    def load(text: str) -> None:
        (tmp_path / "scopes.toml").write_text(text)
        presets.load_catalogue(tmp_path)

    yield load
    presets.load_catalogue(tmp_path / "none")


def test_there_are_two_without_a_file(tmp_path):
    presets.load_catalogue(tmp_path)

    assert list(presets.named()) == ["Read only", "Everything"]
    assert presets.named()["Everything"] == tuple(scopes.catalogue())
    assert all(scopes.catalogue()[name].access == "read" for name in presets.named()["Read only"])
    assert presets.named()["Read only"] == tuple(name for name in scopes.catalogue() if name.endswith(":read"))


def test_an_operators_presets_join_them_and_are_no_scopes(file):
    file(DEPLOY)

    assert presets.named()["Deploy"] == ("things:read", "account:read")
    assert "presets" not in scopes.catalogue()


def test_an_operators_read_only_takes_the_place_of_ours(file):
    file('[presets."Read only"]\nscopes = ["account:read"]\n')

    assert list(presets.named()) == ["Read only", "Everything"]
    assert presets.named()["Read only"] == ("account:read",)


def test_looking_only_follows_the_access_that_the_operator_names_and_waits_for_nobody(file):
    file(
        f'["a:audit"]\n{ENTRY}access = "read"\n["a:read"]\n{ENTRY}access = "write"\n'
        f'["b:read"]\n{ENTRY}approval = true\n'
    )

    assert "a:audit" in presets.named()["Read only"]
    assert not {"a:read", "b:read"} & set(presets.named()["Read only"])


@pytest.mark.parametrize(
    "text, said",
    [
        ("presets = 1", '"presets" must hold tables'),
        ('presets = ["account:read"]', '"presets" must hold tables'),
        ('[presets]\nDeploy = "account:read"', 'preset "Deploy" needs scopes'),
        ('[presets."Deploy"]', 'preset "Deploy" needs scopes'),
        ('[presets."Deploy"]\nscopes = "account:read"', "needs scopes, a list"),
        ('[presets."Deploy"]\nscopes = [1]', "needs scopes, a list"),
        ('[presets."Deploy"]\nscopes = [["account:read"]]', "needs scopes, a list"),
        ('[presets."Deploy"]\nscopes = []', "names 0 scopes"),
        ('[presets."Deploy"]\nscopes = ["account:reed"]', "'account:reed', which does not exist"),
        ('[presets."Deploy"]\nscopes = ["account:read"]\ncolour = 1', "unknown key 'colour'"),
        ('[presets.""]\nscopes = ["account:read"]', "name takes 1 to 40"),
        (f'[presets."{"x" * 41}"]\nscopes = ["account:read"]', "name takes 1 to 40"),
        ('[presets."a\\nb"]\nscopes = ["account:read"]', "name takes 1 to 40"),
        ('[presets."Deploy"]\nscopes = ["account:read"]\n[presets."Deploy "]\nscopes = ["account:read"]', "same name"),
        ("".join(f"[presets.p{n}]\nscopes = ['account:read']\n" for n in range(21)), "21 presets"),
    ],
)
def test_a_bad_preset_is_refused_with_one_line_that_names_the_fault(file, text, said):
    with pytest.raises(scopes.BadCatalogue) as refusal:
        file(text)

    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith("scopes.toml")
