// An app's server as oauth4webapi makes one: it proves itself by its key, and signs in a device.
// One line in says which; one out has the code to type; one in says that somebody did; one out what came of it.
import { createInterface } from "node:readline";
import * as oauth from "oauth4webapi";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const hear = async () => JSON.parse((await lines.next()).value);
const say = (said) => console.log(JSON.stringify(said));

const { url, id, jwk, algorithm } = await hear();
const options = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(url);
const server = await oauth.processDiscoveryResponse(
  issuer, await oauth.discoveryRequest(issuer, { ...options, algorithm: "oauth2" }));
const client = { client_id: id };
let proof = oauth.None();
const found = {};

if (jwk) {
  const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
  proof = oauth.PrivateKeyJwt({ key, kid: jwk.kid });
  const itself = await oauth.processClientCredentialsResponse(
    server, client, await oauth.clientCredentialsGrantRequest(server, client, proof, {}, options));
  const asked = await oauth.introspectionRequest(server, client, proof, itself.access_token, options);
  found.active = (await oauth.processIntrospectionResponse(server, client, asked)).active;
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, client, proof, itself.access_token, options));
}

const begun = await oauth.processDeviceAuthorizationResponse(
  server, client, await oauth.deviceAuthorizationRequest(server, client, proof, { scope: "account:read" }, options));
const poll = async () => oauth.processDeviceCodeResponse(
  server, client, await oauth.deviceCodeGrantRequest(server, client, proof, begun.device_code, options));
found.pending = await poll().then(() => "", (error) => error.error);
say(begun);
await hear();
const tokens = await poll();
const renewed = await oauth.processRefreshTokenResponse(
  server, client, await oauth.refreshTokenGrantRequest(server, client, proof, tokens.refresh_token, options));
say({ ...found, token: renewed.access_token });
process.exit(0);
