"""Two APIs behind this portal, as an operator names them: those of the example."""

from latchkey.settings import ROOT

FOLDER = ROOT / "examples" / "two-hosts"
PROJECTS, BILLING = "https://api.example.com", "https://billing.example.com/v2"
SCOPES = (FOLDER / "scopes.toml").read_text()
# Operators write addresses as they like.
RESOURCES = (FOLDER / "resources.toml").read_text().replace(PROJECTS, "HTTPS://API.example.com:443")
