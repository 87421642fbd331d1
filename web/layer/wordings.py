"""What a person reads about a request that went wrong, and what a program does where that differs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """What a person reads about one status."""

    title: str
    text: str
    symbol: str = "circle-alert"


WORDINGS = {
    400: Wording("We could not read that", "Something in the request was not as it should be. Go back and try again."),
    401: Wording("Sign in first", "This page is for people who are signed in.", "lock"),
    403: Wording("You cannot do that here", "This page or action is not open to you.", "lock"),
    404: Wording("There is nothing here", "The address may be mistyped, or the token or app was removed.", "search"),
    405: Wording("That does not work this way", "This address cannot be used like that. Go back and try again.", "ban"),
    413: Wording("That is too much", "What was sent is larger than this page takes. Make it shorter and try again."),
    415: Wording("We could not read that", "This address takes another format."),
    429: Wording("Too many tries", "Wait {seconds} and try again.", "clock"),
    500: Wording(
        "Something broke on our side",
        "Your tokens are not affected. Try again; if it stays, tell the operator this reference:",
        "triangle-alert",
    ),
    503: Wording("Back in a moment", "We cannot reach our records just now. Your tokens are not affected.", "clock"),
}
# What a program can do about it, where a person would go back.
FOR_PROGRAMS = {
    400: "Something in the request cannot be read, such as broken percent-encoding.",
    405: "This address does not take that method. The header Allow names those that it takes.",
}
FORMS_ALONE = Wording(
    WORDINGS[405].title, "A form is sent to this address; there is no page at it. Nothing was changed.", "ban"
)
STALE = Wording("This page was open too long", "Nothing was changed. Go back, reload and try again.", "clock")
