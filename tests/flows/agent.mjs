// An agent as the MCP SDK of TypeScript makes one. Each line in is something to do, each line out what came of it;
// where its user is needed it says the address, and hears where they were led.
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (said) => console.log(JSON.stringify(said));
const hear = async () => {
  const { value, done } = await lines.next();
  return done ? null : JSON.parse(value);
};

class Provider {
  constructor({ redirect, client, document }) {
    this.redirectUrl = redirect;
    this.client = client;
    this.clientMetadataUrl = document;
    this.clientMetadata = {
      client_name: "Agent",
      redirect_uris: [redirect],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: client?.client_secret ? "client_secret_basic" : "none",
    };
  }
  state() { return (this.sent = "state-" + Math.random()); }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.kept; }
  saveTokens(tokens) { this.kept = tokens; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
  redirectToAuthorization(url) { this.url = url.href; }
}

async function connected(url, options, provider) {
  for (;;) {
    const transport = new StreamableHTTPClientTransport(new URL(url), options);
    const client = new Client({ name: "agent", version: "1" });
    try {
      await client.connect(transport);
      return client;
    } catch (error) {
      if (!provider || !(error instanceof UnauthorizedError)) throw error;
      say({ authorize: provider.url });
      const led = new URL((await hear()).led);
      if (led.searchParams.get("state") !== provider.sent) throw new Error("another state");
      await transport.finishAuth(led.searchParams.get("code"));
    }
  }
}

async function used(client, calls) {
  const found = {};
  for (const [name, args] of calls) {
    try {
      const result = await client.callTool({ name, arguments: args });
      found[name] = { error: result.isError ?? false, text: result.content[0]?.text, data: result.structuredContent };
    } catch (error) {
      found[name] = { refused: error.code ?? String(error) };
    }
  }
  return found;
}

for (let task = await hear(); task; task = await hear()) {
  const provider = task.token ? null : new Provider(task);
  const headers = { Authorization: `Bearer ${task.token}` };
  const options = provider ? { authProvider: provider } : { requestInit: { headers } };
  const client = await connected(task.url, options, provider);
  const tools = (await client.listTools()).tools.map((tool) => tool.name);
  const results = await used(client, task.calls);
  let refreshed = null;
  if (provider) {
    const before = provider.kept.refresh_token;
    // As if it had expired: the next call is 401, and the SDK refreshes.
    provider.kept = { ...provider.kept, access_token: provider.kept.access_token.slice(0, -1) };
    await client.listTools();
    refreshed = provider.kept.refresh_token !== before;
  }
  await client.close();
  say({ tools, results, refreshed, client: provider?.client.client_id, scope: provider?.kept.scope });
}
