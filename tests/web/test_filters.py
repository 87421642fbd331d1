from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jinja2
import pytest
from markupsafe import Markup, escape

from latchkey import clock
from web import filters

pytestmark = pytest.mark.either_database("asks the database nothing")

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def at_noon(clock):
    clock.moment = NOON


@pytest.mark.parametrize(
    "passed,words",
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=11), "11 hours ago"),
        (timedelta(hours=25), "yesterday"),
        (timedelta(days=30), "30 days ago"),
        (timedelta(days=41), "13 Oct 2026"),
    ],
)
def test_the_past_is_told_as_people_say_it(at_noon, passed, words):
    assert filters.ago(NOON - passed) == words


@pytest.mark.parametrize(
    "left,words",
    [
        (timedelta(seconds=5), "in 1 minute"),
        (timedelta(minutes=42), "in 42 minutes"),
        (timedelta(hours=5), "in 5 hours"),
        (timedelta(days=90) - timedelta(seconds=2), "in 90 days"),
        (timedelta(days=1000), "19 Aug 2029"),
        (timedelta(hours=-3), "3 hours ago"),
    ],
)
def test_the_future_is_counted_in_days(at_noon, left, words):
    assert filters.until(NOON + left) == words


def test_moments_carry_their_zone():
    at = datetime(2026, 11, 23, 15, 41, tzinfo=UTC)

    assert filters.moment(at) == "23 November 2026, 15:41 UTC"
    assert filters.day(at) == "23 Nov 2026"
    assert clock.rfc3339(at) == "2026-11-23T15:41:00Z"


@pytest.mark.parametrize(
    "shown,markup",
    [
        ("at|time_ago", "<time {}>3 hours ago</time>"),
        ("(at - month)|time_ago", '<time {before} data-as="day">14 Oct 2026</time>'),
        ("at|time_until", "<time {}>3 hours ago</time>"),
        ("at|time_date", '<time {} data-as="date">23 November 2026</time>'),
        ("at|time_day", '<time {} data-as="day">23 Nov 2026</time>'),
        ("at|time_moment", '<time {} data-as="moment">23 November 2026, 09:00 UTC</time>'),
        ("at|time_clock", '<time {} data-as="clock">09:00</time>'),
        ("none|time_ago", "Never"),
        ("none|time_until", "No expiry"),
    ],
)
def test_a_time_is_an_element_that_the_script_writes_in_the_readers_zone(app, at_noon, shown, markup):
    at, month = NOON - timedelta(hours=3), timedelta(days=40)
    mark = 'datetime="2026-11-23T09:00:00Z" title="23 November 2026, 09:00 UTC"'
    before = 'datetime="2026-10-14T09:00:00Z" title="14 October 2026, 09:00 UTC"'

    text = app.jinja_env.from_string("{{" + shown + "}}").render(at=at, month=month)

    assert text == markup.format(mark, before=before)


@pytest.mark.parametrize(
    "name,letters", [("Ada Lindqvist", "AL"), ("Ada", "A"), ("ada king lovelace", "AL"), ("", ""), ("東京", "東")]
)
def test_initials_are_those_of_the_first_and_last_word(name, letters):
    assert filters.initials(name) == letters


def test_counts_read_as_words():
    assert filters.plural(1, "person", "people") == "1 person"
    assert filters.plural(1284, "person", "people") == "1,284 people"
    assert filters.plural(0, "scope") == "0 scopes"


def test_many_names_are_told_by_the_first_few():
    assert filters.few(["a", "b", "c"]) == "a, b, c"
    assert filters.few(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


class Drawn:
    def __html__(self):
        return "<svg></svg>"

    def __str__(self):
        return "<text>"


class Sort(StrEnum):
    MARKED = "<b>"


class Shouted(str):
    __slots__ = ()

    def __str__(self):
        return "<LOUD>"


WRITTEN = (
    *(
        "plain",
        "",
        "a < b & c > d",
        "'",
        '"',
        "&amp;",
        "“ä”\u2028\0",
        Markup("<b>"),
        Markup(""),
        Shouted("a"),
        Shouted("<"),
    ),
    *(Sort.MARKED, Drawn(), b"<", 3, 1.5, None, True, ["<"], {"<": ">"}, jinja2.Undefined(name="gone")),
)
PLACES = (
    "{{ it }}",
    '<a title="{{ it }}">',
    "{% macro shown(it) %}{{ it }}{% endmacro %}{{ shown(it) }}{{ shown(it) ~ it }}",
    "{% set kept %}{{ it }}{% endset %}{{ kept }}{{ kept|length }}",
    "{% macro shown(it) %}{{ caller(it) }}{% endmacro %}{% call(it) shown(it) %}{{ it }}{% endcall %}",
    "{% for each in [it, it|e, it|safe, it|string, it|forceescape] %}{{ each }}{% endfor %}",
    "{% filter upper %}{{ it }}{% endfilter %}{% filter trim %}{{ it }}{% endfilter %}",
    "{% autoescape false %}{{ it }}{% endautoescape %}{{ it }}",
    "{% autoescape loud %}{{ it }}{% endautoescape %}{{ it }}",
    "{% block part %}{{ it }}{% endblock %}{{ self.part() }}{{ '<' }}{{ '<'|safe }}",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("autoescape", [True, False])
def test_a_page_writes_everything_with_the_characters_that_jinja_gives_it(place, autoescape):
    environments = theirs, ours = [jinja2.Environment(autoescape=autoescape) for _ in range(2)]
    ours.code_generator_class = filters.Written
    assert theirs.code_generator_class is not ours.code_generator_class
    expected, told = (environment.from_string(place) for environment in environments)

    for it in WRITTEN:
        for loud in (True, False):
            assert told.render(it=it, loud=loud) == expected.render(it=it, loud=loud), it


def test_no_character_that_means_something_in_markup_is_written_as_it_is(app):
    page = app.jinja_env.overlay(autoescape=True).from_string("{{ it }}")

    assert app.jinja_env.code_generator_class is filters.Written
    for character in map(chr, range(0x800)):
        assert page.render(it=f"a{character}b") == str(escape(f"a{character}b"))
