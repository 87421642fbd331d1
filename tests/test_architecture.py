"""The rules that a machine can hold: who imports whom, how long things get, what is guarded and documented."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
from flask import Flask

from latchkey import scopes
from latchkey.settings import ROOT, Settings
from tests import pages

pytestmark = pytest.mark.unnoted("reads the code and runs none of it")

# A word or wing of the ground floor imports only those before it.
GROUND_FLOOR = (
    "clock", "ids", "texts", "loading", "domains", "addresses", "parsing", "values", "settings", "origin",
    "credentials", "scopes", "resources", "gateways", "vault",
    "turns", "watching", "fetching", "naming", "store", "endings", "mail", "accounts", "clients", "grants", "journal",
    "tokens", "notices", "safety", "oversight", "upstream", "worker", "transfer",
)  # fmt: skip

# Of our own packages, what each may import besides itself.
MAY_IMPORT = {
    "latchkey": set(),
    "web": {"latchkey"},
    "portal": {"latchkey", "web"},
    "oauth": {"latchkey", "web"},
    "api": {"latchkey", "web"},
    "app": {"latchkey", "web", "portal", "oauth", "api"},
    "cli": {"latchkey", "app"},
    "wsgi": {"app", "latchkey"},
    "migrations": {"app", "latchkey"},
}
DOORS = ("portal", "oauth", "api", "cli")
# Of the HTTP kit, what doors may use; the rest of `web` is the application's.
KIT = {"web.ahead", "web.calls", "web.encoding", "web.htmx", "web.policy", "web.spreadsheets"}
# The places of a door, where their order matters: each may import those before it. Elsewhere neighbours never meet.
PLACES = {"oauth": ("protocol", "token", "authorize", "device", "endpoints", "workshop"), "api": ("kit", "apps", "mcp")}
# The files that issue tokens by statements given to the driver; beside them only `store/`.
# What answers when the database is away knows what the drivers raise, and nothing else of them.
DRIVERS = {"latchkey/tokens/issued/issuing.py", "latchkey/tokens/issued/refreshing.py", "web/errors.py"}
# Counters and uses of tokens, which count in transactions of their own, and what asks which database there is.
ENGINES = {
    "latchkey/clients/keys/record.py",
    "latchkey/accounts/throttle.py", "latchkey/journal/calls/counts.py",
    "latchkey/tokens/usage.py", "web/layer/paths.py", "latchkey/oversight/doctor.py", "cli/installation.py",
}  # fmt: skip
# What the protocol keeps itself: codes, pending consents, and what is found together in one statement.
STATEMENTS = {
    "oauth/authorize/pending.py", "oauth/endpoints/together.py", "oauth/protocol/parties.py", "oauth/token/codes.py",
    "oauth/token/together.py",
}  # fmt: skip
# Where the doors of programs make a blueprint, or see to a person's browser; machine endpoints see a `Call`.
FLASK = {
    "oauth/blueprint.py", "oauth/authorize/choosing.py", "oauth/authorize/consent.py", "oauth/authorize/deciding.py",
    "oauth/authorize/granting.py", "oauth/device/deciding.py", "oauth/device/page.py", "oauth/device/question.py",
    "oauth/authorize/moments.py", "oauth/authorize/question.py", "oauth/authorize/request.py",
    "oauth/authorize/stops.py", "oauth/workshop/page.py", "oauth/protocol/answers.py", "oauth/protocol/server.py",
    "api/kit/blueprint.py", "api/kit/openapi.py",
}  # fmt: skip
MOST_FILES = 14
MOST_LINES = 250
LONGEST_FUNCTION = 40
OURS = {*MAY_IMPORT, "tests", "benchmarks", "tools"}
PRODUCT = [
    path
    for name in MAY_IMPORT
    for path in ([ROOT / f"{name}.py"] if (ROOT / f"{name}.py").exists() else sorted((ROOT / name).rglob("*.py")))
    if "versions" not in path.parts
]
Import = ast.Import | ast.ImportFrom
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> dict[Path, ast.AST]:
    """The product's files, read when the first test of a process asks for them: most processes run none."""
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in PRODUCT}


def ground() -> list[Path]:
    return [path for path in trees() if path.parts[0] == "latchkey"]


@cache
def code(tree: ast.AST) -> str:
    """What a file says, without its remarks and in one form."""
    return ast.unparse(tree)


def package(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names; `from latchkey import clock` is `latchkey.clock`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def length(function: Function) -> int:
    """Lines without the docstring: explaining more never makes a function too long."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    explained = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return function.end_lineno - function.lineno + 1 - explained


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def test_packages_import_only_what_lies_below_them():
    reached = {path: {name.partition(".")[0] for name in imports(tree)} & OURS for path, tree in trees().items()}

    assert reached
    assert not {
        str(path): names - MAY_IMPORT[package(path)] - {package(path)}
        for path, names in reached.items()
        if not names <= MAY_IMPORT[package(path)] | {package(path)}
    }


def test_the_ground_floor_imports_only_what_comes_before():
    met = set()
    for path in ground():
        noun = path.parts[1].removesuffix(".py")
        if noun == "__init__":
            assert not list(imports(trees()[path]))
            continue
        below = GROUND_FLOOR[: GROUND_FLOOR.index(noun) + 1]
        reached = {name.split(".")[1] for name in imports(trees()[path]) if name.startswith("latchkey.")}
        met |= {(str(path), name) for name in reached - set(below)}

    assert ground()
    assert not met


def test_the_ground_floor_knows_no_request():
    web = ("flask.", "flask_login.", "flask_wtf.", "werkzeug.")
    # A mixin of four properties makes a session row what Flask-Login takes for the signed-in person.
    allowed = {"flask.Flask", "flask.render_template", "flask_login.UserMixin"}

    known = {(str(path), name) for path in ground() for name in imports(trees()[path]) if name.startswith(web)}

    assert not {(path, name) for path, name in known if name not in allowed}


def is_page(tree: ast.AST) -> bool:
    """Whether the file hangs views on its door's blueprint."""
    decorators = [ast.unparse(decorator) for function in functions(tree) for decorator in function.decorator_list]
    return any(re.match(r"blueprint\.(get|post|put|patch|delete|route)\(", text) for text in decorators)


@pytest.mark.parametrize("door", ["portal", "oauth", "api"])
def test_pages_do_not_import_pages(door):
    pages = {
        ".".join(path.with_suffix("").parts): tree
        for path, tree in trees().items()
        if package(path) == door and is_page(tree)
    }

    reached = {(page, name) for page, tree in pages.items() for name in imports(tree)}

    assert not {(page, name) for page, name in reached if any(f"{name}.".startswith(f"{other}.") for other in pages)}


@pytest.mark.parametrize("door", ["portal", "oauth", "api"])
def test_a_place_never_imports_its_neighbour(door):
    places = {path.parts[1] for path in trees() if package(path) == door and len(path.parts) == 3}
    order = PLACES.get(door, ())
    reached = {
        (path.parts[1], name.split(".")[1])
        for path, tree in trees().items()
        if package(path) == door and len(path.parts) == 3
        for name in imports(tree)
        if name.startswith(f"{door}.")
    }

    met = {(place, other) for place, other in reached if other in places and other != place}

    assert places
    assert not {(place, other) for place, other in met if other not in order[: order.index(place)] if order}
    assert order or not met


@pytest.mark.parametrize("door", ["portal", "oauth", "api"])
def test_doors_use_the_kit_of_the_web_package_and_nothing_else_of_it(door):
    reached = {name for path, tree in trees().items() if package(path) == door for name in imports(tree)}

    assert not {name for name in reached if name.startswith("web.") and ".".join(name.split(".")[:2]) not in KIT}


def reads(tree: ast.AST) -> set[str]:
    """The names of all attributes that a file reads, and what it imports."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | set(imports(tree))


def outside_of_store() -> dict[str, ast.AST]:
    return {path.as_posix(): tree for path, tree in trees().items() if path.parts[:2] != ("latchkey", "store")}


def test_driver_connections_are_known_to_the_store_and_to_named_files_alone():
    driver = re.compile(r"sqlalchemy\.engine\b|sqlite3\b|psycopg\b|(raw|driver|dbapi)_connection$")
    fetched = re.compile(r"\.connection\(\)\.connection\b")

    known = {
        path
        for path, tree in outside_of_store().items()
        if package(Path(path)) != "migrations"
        if any(driver.match(name) for name in reads(tree)) or fetched.search(code(tree))
    }

    assert known == DRIVERS


def test_engines_are_known_to_the_store_and_to_named_files_alone():
    known = {path for path, tree in outside_of_store().items() if re.search(r"\bengines\(\)", code(tree))}

    assert {path for path in known if not path.startswith("migrations/")} == ENGINES


def test_doors_ask_the_domain_and_write_no_statements_themselves():
    statement = re.compile(r"sqlalchemy\.(?!exc\.)")

    writes = {
        path.as_posix()
        for path, tree in trees().items()
        if package(path) in DOORS
        if any(map(statement.match, imports(tree)))
    }

    assert writes == STATEMENTS


def test_flask_is_known_to_fewer_and_fewer_files_of_the_doors_of_programs():
    known = {
        path.as_posix()
        for path, tree in trees().items()
        if package(path) in {"oauth", "api"} and any(re.match(r"flask(_\w+)?\b", name) for name in imports(tree))
    }

    assert known == FLASK


def test_folders_stay_small():
    folders = Counter(path.parent for path in trees() if len(path.parts) > 1)

    assert not {str(folder): count for folder, count in folders.items() if count > MOST_FILES}


# What has one form is written in one file.
FORMS = {
    r"\{28\}": {"latchkey/ids.py"},
    r"%H:%M:%SZ|timespec=|isoformat\(\)\[": {"latchkey/clock.py"},
    r"default-src": {"web/policy.py"},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_has_one_form_is_written_once(form):
    files = {path.as_posix() for path in trees() if re.search(form, (ROOT / path).read_text(encoding="utf-8"))}

    assert files == FORMS[form]


def records_written(tree: ast.AST) -> set[str]:
    """What of the domain a file adds, inserts, updates or deletes by itself."""
    known = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("latchkey")
        for alias in node.names
    }
    written = {
        ast.unparse(part.args[0] if isinstance(part.func, ast.Name) else part.args[0].func)
        for part in ast.walk(tree)
        if isinstance(part, ast.Call) and part.args
        if (isinstance(part.func, ast.Name) and part.func.id in {"insert", "update", "delete"})
        or (ast.unparse(part.func) == "db.add" and isinstance(part.args[0], ast.Call))
    }

    return {name for name in written if name.partition(".")[0] in known}


def test_doors_write_no_record_of_the_domain():
    written = {str(path): records_written(tree) for path, tree in trees().items() if package(path) in DOORS}

    assert written
    assert not {path: names for path, names in written.items() if names}


# What must not be done a second time elsewhere, since the second one would forget half of it: by whom it is called.
ONCE = {
    "sessions.open": {"latchkey/safety/signin.py"},
    "users.authenticate": {"latchkey/safety/signin.py"},
    "passwords.verify": {"latchkey/accounts/users.py", "latchkey/safety/signin.py"},
    "second_factors.spend": {"latchkey/safety/second_factor.py"},
    "limits.sign_in": {"latchkey/safety/signin.py"},
    "links.issue": {"latchkey/safety/mailed.py"},
    "users.disable": {"latchkey/safety/lockdown.py"},
    "users.remove": {"latchkey/safety/lockdown.py"},
    "tokens.revoke_all": {"latchkey/safety/lockdown.py"},
    "clients.suspend": {"latchkey/safety/shutdown.py"},
    "clients.remove": {"latchkey/safety/shutdown.py"},
    "grants.withdraw_all": {"latchkey/safety/shutdown.py"},
    "settings.current().token_max_days": {"latchkey/tokens/lifetimes.py"},
}


@pytest.mark.parametrize("verb", ONCE)
def test_each_verb_of_safety_is_written_once(verb):
    used = re.compile(rf"\b{re.escape(verb)}\b")

    calling = {path.as_posix() for path, tree in trees().items() if used.search(code(tree))}

    assert calling == ONCE[verb]


@pytest.mark.parametrize("door", ["portal", "oauth", "api"])
def test_no_door_calls_a_view_of_another(door):
    others = re.compile(rf"view_functions(\[|\.get\().(?!{door}\.)(portal|oauth|api)\.")

    assert not {str(path) for path, tree in trees().items() if package(path) == door and others.search(code(tree))}


def test_no_import_hides_in_a_function():
    hidden = [
        f"{path}:{node.lineno}"
        for path, tree in trees().items()
        for function in functions(tree)
        for node in ast.walk(function)
        if isinstance(node, Import)
    ]

    assert not hidden


def test_files_and_functions_stay_short():
    lines = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in trees()}
    lengths = [(f"{path} {each.name}", length(each)) for path, tree in trees().items() for each in functions(tree)]

    assert not {path: count for path, count in lines.items() if count > MOST_LINES}
    assert not [(name, count) for name, count in lengths if count > LONGEST_FUNCTION]


def test_modules_open_with_a_sentence():
    opened = {str(path): (ast.get_docstring(tree) or "").partition("\n")[0] for path, tree in trees().items()}

    assert not [path for path, sentence in opened.items() if not sentence.endswith(".")]


def test_pages_hold_no_inline_script_or_style():
    # Mail programs know no style sheets.
    found = [path for path in (ROOT / "templates").rglob("*.html") if "mail" not in path.parts and path.stem != "mail"]

    guilty = [str(path) for path in found if pages.INLINE.search(path.read_text(encoding="utf-8"))]

    assert found
    assert not guilty


def api_views(app: Flask):
    """Every view of the API; what answers OPTIONS alone reads nothing."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules() if rule.methods != {"OPTIONS"}}
    return {name: app.view_functions[name] for name in endpoints if name.startswith("api.")}


@pytest.mark.standard("H-05")
def test_every_api_view_is_guarded_or_visibly_public(app):
    for endpoint, view in api_views(app).items():
        guarded = isinstance(getattr(view, "scopes", None), frozenset)

        assert guarded != getattr(view, "public", False), endpoint
        # One that declares nothing is closed by the blueprint (H-05); what is shipped declares.
        assert not getattr(view, "closed", False), endpoint


def test_every_shipped_scope_opens_a_route_and_every_route_wants_a_shipped_one(app):
    used = frozenset().union(*(getattr(view, "scopes", None) or () for view in api_views(app).values()))

    assert used == {scope.name for scope in scopes.SHIPPED}


def test_every_setting_is_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in readme.splitlines() if line.startswith("|"))

    documented = set(re.findall(r"`LATCHKEY_([A-Z_]+)`", table))

    assert documented == {field.name.upper() for field in fields(Settings) if "parse" in field.metadata}


def anonymous(path: str) -> str:
    """A path with its variables' names left out."""
    return re.sub(r"<[^>]*>", "<>", path)


def test_every_address_is_in_the_docs_and_nothing_else(app):
    answered = {rule.rule for rule in app.url_map.iter_rules()}
    listed = re.findall(r"^\| `(/[^`?]*)`", (ROOT / "docs" / "urls.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert {anonymous(path) for path in listed} == {anonymous(path) for path in answered}


# Folders of tests that go through whole jobs; every other one is a folder of the code.
BY_JOB = {"flows", "browser"}
# About all of a door, and called like a file of one place.
OF_THE_DOOR = {Path("api/test_calls.py"), Path("portal/test_words.py")}


def test_tests_stand_in_the_folder_of_what_they_test():
    tests = {path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    mirrored = {path for path in tests - OF_THE_DOOR if len(path.parts) > 1 and path.parts[0] not in BY_JOB}
    # A folder takes its name with it (`portal/test_tokens_new.py`), a file further in its own (`oauth/test_codes.py`).
    folders = {path.parent for path in trees() if len(path.parts) > 2}
    deeper = {above / path.name for path in trees() for above in path.parent.parents} - set(trees())

    strays = {
        path
        for path in mirrored
        for name in [path.stem.removeprefix("test_")]
        if not (ROOT / path.parent).is_dir()
        or path.parent / name.partition("_")[0] in folders
        or path.parent / f"{name}.py" in deeper
    }

    assert len(mirrored) > len(tests) / 2
    assert not strays


def test_what_is_waived_says_why():
    waiver = re.compile(r"# (?:noqa|type: ignore|pragma:? no cover)(?:: [A-Z0-9, ]+|\[[a-z, -]+\])?(?![(|])(.*)")
    ours = [path for name in sorted(OURS | {"guard", "examples"}) for path in (ROOT / name).rglob("*.py")]
    waived = [
        (f"{path.relative_to(ROOT)}:{number}", found[1])
        for path in [*ours, ROOT / "app.py", ROOT / "wsgi.py"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (found := waiver.search(line))
    ]
    rules = re.findall(r'^ +"[A-Z]+\d*",.*', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)

    assert waived
    assert not [place for place, reason in waived if len(re.findall(r"\w+", waiver.sub(r"\1", reason))) < 2]
    assert rules
    assert not [rule for rule in rules if "# " not in rule]


def test_what_is_slow_unnoted_or_runs_on_one_database_alone_says_why():
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"pytest\.mark\.(slow|either_database|unnoted)\b", line):
                said = r'pytest\.mark\.(slow|either_database|unnoted)\("[^"]{5,}"(, after=1)?\)'
                assert re.search(said, line), f"{path}:{number}"


def test_the_page_about_the_architecture_names_what_is_there():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z]+(?:/[a-z_]+)+(?:\.py)?)`", page))

    assert not {name for name in named if not (ROOT / name).exists()}
    assert re.findall(r"^\| `latchkey/([a-z]+)` \|", page, re.MULTILINE) == [
        name for name in GROUND_FLOOR if (ROOT / "latchkey" / name).is_dir()
    ]
    assert {str(path.parent) for path in trees() if len(path.parts) == 3} <= named
    limits = re.search(r"at most (\d+) lines, a function at most (\d+), a folder at most (\d+) Python files", page)
    assert limits
    assert tuple(map(int, limits.groups())) == (MOST_LINES, LONGEST_FUNCTION, MOST_FILES)


def test_every_page_of_the_docs_is_in_their_index():
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text(encoding="utf-8")
    pages = {path.relative_to(docs).as_posix(): path.read_text(encoding="utf-8") for path in docs.rglob("*.md")}

    linked = re.findall(r"\]\(([a-z0-9/-]+\.md)\)", index)

    assert sorted(linked) == sorted(pages.keys() - {"README.md"})
    for number, path, title in re.findall(
        r"^\| \[(\d+)\]\((decisions/.+?)\) \| ([^;|]+?)(?:;.*)? \|$", index, re.MULTILINE
    ):
        assert pages[path].startswith(f"# {number}. {title}\n")


@pytest.mark.parametrize("decision", sorted((ROOT / "docs" / "decisions").iterdir()), ids=lambda path: path.stem)
def test_every_decision_begins_with_a_summary(decision):
    _title, _, rest = decision.read_text(encoding="utf-8").partition("\n\n")

    assert re.findall(r"^> - \*(\w+):\* ", rest.partition("\n\n")[0], re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequence",
    ]


def test_each_of_the_three_jobs_is_followed_by_opening_at_most_five_files():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    jobs = page.partition("## Three jobs")[2].partition("\n## ")[0].split("\n**")[1:]
    followed = [list(dict.fromkeys(re.findall(r"`([a-z_/]+\.py)`", job))) for job in jobs]

    assert len(followed) == 3
    assert all(2 <= len(files) <= 5 for files in followed)
