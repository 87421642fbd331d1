"""What can be made to go wrong on purpose, and what an app's developer reads of it."""

from typing import NamedTuple

from latchkey.clients import Client


class Fault(NamedTuple):
    """One of them: what it is called, and what is said when it was refused."""

    label: str
    told: str
    does: str


FAULTS: dict[str, Fault] = {
    "": Fault(
        "No, as it should be",
        "That was not on purpose.",
        "The answer says what is wrong; an app of yours would meet the same now.",
    ),
    "redirect": Fault(
        "Another redirect URI",
        "The redirect URI is not registered.",
        "People are sent only to addresses that are registered, compared character by character; otherwise "
        "anybody could have codes sent to their own. In your app: register the very address that it sends, with "
        "its path and slash.",
    ),
    "unknown_scope": Fault(
        "A scope that does not exist",
        "A scope is unknown.",
        "Nothing is dropped in silence. In your app: ask for names that stand in the list of scopes.",
    ),
    "foreign_scope": Fault(
        "A scope that the app may not ask for",
        "The app is not registered for this scope.",
        "An app asks for what stands on its page, or for less. In your app: add the scope there, or leave it out.",
    ),
    "resource": Fault(
        "A resource that does not exist",
        "The resource is unknown.",
        "A token is for APIs that this server stands before. In your app: send the identifier that the API's "
        "metadata names.",
    ),
    "no_pkce": Fault(
        "Without PKCE",
        "The code_challenge is missing.",
        "PKCE ties the code to the program that asked for it. In your app: send a code_challenge with S256, and "
        "keep its verifier for the exchange.",
    ),
    "plain": Fault(
        "PKCE with “plain”",
        "The method must be S256.",
        "With “plain” whoever sees the request has the verifier, too. In your app: hash it, method S256.",
    ),
    "denied": Fault(
        "The person says no",
        "The person pressed Cancel.",
        "They come back with access_denied and no code. In your app: say that nothing was connected, and offer "
        "it again.",
    ),
    "state": Fault(
        "A wrong state comes back",
        "The state is not the one that was sent.",
        "Somebody may have sent your user a link with a code of their own. Only your app can notice: compare "
        "state with what you kept in the person's session, and iss with this portal's address; else stop here.",
    ),
    "proof": Fault(
        "A wrong client secret",
        "The app did not prove itself.",
        "An unknown app and a wrong secret are answered alike. In your app: send the secret as it was shown when "
        "it was made, by HTTP Basic or in the form, not both; or sign with a key that stands on the app's page.",
    ),
    "verifier": Fault(
        "A wrong code verifier",
        "The verifier does not belong to the challenge.",
        "The code stays usable: whoever guesses uses nothing up. In your app: keep the verifier with the "
        "person's session, not in a variable that all of them share.",
    ),
    "other_uri": Fault(
        "Another redirect URI at the exchange",
        "The redirect URI is not the one of the request.",
        "In your app: send the same redirect_uri at both, character by character.",
    ),
    "twice": Fault(
        "The code is used twice",
        "A code works once.",
        "Its second use looks like a theft, so everything that the first one gave has ended, too. In your app: "
        "exchange each code one time, also when the person reloads the callback page.",
    ),
    "target": Fault(
        "Another resource at the exchange",
        "The resource is none that access was granted for.",
        "At the exchange a resource narrows what was agreed to and never widens it. It used up nothing. In your "
        "app: name it when you ask the person.",
    ),
    "narrow": Fault(
        "A call that needs another scope",
        "The token lacks a scope.",
        "403, and scope names what is missing. In your app: ask the person again, with that scope beside the others.",
    ),
    "refresh": Fault(
        "A refresh token that was used before",
        "A refresh token works once.",
        "Each refresh gives a new one; the old one coming again looks like a theft, so the whole sign-in has "
        "ended. In your app: store the new refresh token before you go on, and let one process do it.",
    ),
    "wider": Fault(
        "More scopes at a refresh",
        "A refresh never gives more.",
        "In your app: ask the person again for what is new; the refresh token stays as it was.",
    ),
}


def of(client: Client, foreign: str | None) -> dict[str, Fault]:
    """Those that can happen to this app; `foreign` is a scope that it may not ask for, if there is one."""
    left = dict(FAULTS)
    if not client.pkce_required:
        del left["no_pkce"]
    if foreign is None:
        for name in ("foreign_scope", "narrow", "wider"):
            del left[name]
    if client.keyed:
        left["proof"] = left["proof"]._replace(label="A key that is not the app's")
    elif not client.confidential:
        left["proof"] = left["proof"]._replace(label="A client secret, which it has not")
    return left
