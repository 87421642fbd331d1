"""Who administered by a group of an upstream that is not the one of now, or while no group is named: no more."""

from sqlalchemy import select, true

from latchkey import settings
from latchkey.accounts import users
from latchkey.accounts.upstream.identities import Identity
from latchkey.store import conflicts
from latchkey.store.session import db
from latchkey.upstream import arrivals

AT_A_TIME = 100


def relieve() -> None:
    """Take from all what an earlier upstream or group gave them, when a process begins: the settings hold from then on.

    Who was made an administrator here stays one, and whoever the upstream of now names is one when they come in.
    """
    while conflicts.again(_some):
        pass


def _some() -> bool:
    ours = settings.current()
    elsewhere = Identity.issuer != ours.oidc_issuer if ours.oidc_issuer and ours.oidc_admin_groups else true()
    found = db.execute(select(Identity.id, Identity.user_id).where(Identity.administers, elsewhere).limit(AT_A_TIME))
    rows = found.all()
    for row in sorted(rows, key=lambda each: str(each.user_id)):
        user = users.lock(row.user_id)
        identity = db.get(Identity, row.id, populate_existing=True)
        if user is not None and identity is not None:
            arrivals.appoint(user, identity, administers=False)
    db.commit()
    return len(rows) == AT_A_TIME
