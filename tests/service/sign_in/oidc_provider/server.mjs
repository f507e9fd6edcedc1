// A real provider on a free port of this machine. Who comes with a login_hint is signed in as it says, without a page;
// anybody else gets a page that asks who they are, and one that asks whether the service may know.
// Prints its issuer as one line of JSON, and ends with its standard input.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [installed, redirectUri, secret] = process.argv.slice(2);
const found = createRequire(installed + "/").resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(found).href);

const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const client = { redirect_uris: [redirectUri], grant_types: ["authorization_code"], response_types: ["code"] };

const provider = new Provider(issuer, {
  clients: [
    { ...client, client_id: "belmont", client_secret: secret },
    { ...client, client_id: "other", client_secret: secret },
  ],
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
});

function ask(response, title, fields) {
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  const head = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>`;
  response.end(`${head}<h1>${title}</h1><form method="post">${fields}</form></html>`);
}

async function filledIn(request) {
  let text = "";
  for await (const part of request) text += part;
  return new URLSearchParams(text);
}

async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const asks = params.login_hint === undefined;
  const answer = asks && request.method === "POST" ? await filledIn(request) : null;
  if (answer?.has("refuse")) {
    return provider.interactionFinished(request, response, { error: "access_denied" });
  }
  if (prompt.name === "login") {
    if (asks && answer === null) {
      return ask(response, "University Hospital", '<label>Who are you? <input name="login" required></label> <button>Go on</button>');
    }
    const login = { accountId: answer?.get("login") ?? params.login_hint };
    return provider.interactionFinished(request, response, { login });
  }
  if (asks && answer === null) {
    return ask(response, "May the service know who you are?", '<button name="allow">Allow</button> <button name="refuse">Refuse</button>');
  }
  const known = grantId && (await provider.Grant.find(grantId));
  const grant = known ?? new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope("openid");
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

server.on("request", (request, response) => {
  if (request.url.startsWith("/interaction/")) {
    interact(request, response).catch((error) => response.writeHead(500).end(String(error)));
  } else {
    provider.callback()(request, response);
  }
});
process.stdin.resume().on("end", () => process.exit(0));
console.log(JSON.stringify({ issuer }));
