"""Two APIs behind this portal, as an operator names them."""

PROJECTS, BILLING = "https://api.example.com", "https://billing.example.com/v2"
SCOPES = """
["projects:read"]
title = "See projects"
description = "List projects."
group = "Projects"

["projects:write"]
title = "Change projects"
description = "Create and change projects."
group = "Projects"

["billing:read"]
title = "See invoices"
description = "List invoices."
group = "Billing"

["billing:refund"]
title = "Pay money back"
description = "Refund an invoice."
group = "Billing"
sensitive = true
"""
RESOURCES = """
[projects]
identifier = "HTTPS://API.example.com:443"
title = "Projects API"
scopes = ["projects:read", "projects:write"]
documentation = "https://docs.example.com"

[billing]
identifier = "https://billing.example.com/v2"
title = "Billing API"
scopes = ["billing:read", "billing:refund"]
"""
