// A certified provider, run by the tests: node oidc.mjs PORT CLIENT, where CLIENT is the client's registration as JSON.
import { Provider } from "oidc-provider";

const [port, client] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [JSON.parse(client)],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  scopes: ["openid", "email", "profile", "groups"],
  cookies: { keys: ["of the tests"] },
  features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  pkce: { required: () => true },
  ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 600, IdToken: 300, Interaction: 600, Session: 600 },
  // The portal is on this machine, which the provider's own guard of what it fetches refuses.
  fetch: (url, { dispatcher, signal, ...options }) => fetch(url, options),
  async findAccount(_ctx, id) {
    const claims = { sub: id, email: `${id}@example.com`, email_verified: true, name: "Ada Lindqvist", groups: ["ops"] };
    return { accountId: id, claims: async () => claims };
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
