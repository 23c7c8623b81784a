// The provider of oidc-provider on this machine, in memory: device login, rotation of refresh tokens with the end
// of the grant on replay, revocation, DPoP. Says its issuer in one line of JSON when it listens.
//
//   node provider.mjs INSTALLED        the directory that npm installed into
//
// ACCESS_TTL, CODE_TTL and REFRESH_TTL are seconds; PORT asks for a port; with NONCE=1 proofs need a nonce.
//
// POST /__decide {user_code, account} says yes to a code, with "deny": true no: the side door of the tests, so
// that no browser has to be driven.

import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const installed = process.argv[2];
const { Provider } = await import(pathToFileURL(`${installed}/node_modules/oidc-provider/lib/index.js`));

const seconds = (name, usual) => Number(process.env[name] ?? usual);
// Out of a text: the key that a generation returns shares a lock with it, and Node 20 stands still for ever where the
// garbage collector frees the generation while the key is exported (`~KeyGenJob` below `ExportJWKRsaKey`).
const privateKeyEncoding = { type: 'pkcs8', format: 'pem' };
const rsa = createPrivateKey(generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding }).privateKey);

const settings = {
  clients: [{
    client_id: 'keyward',
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    redirect_uris: [],
    response_types: [],
  }],
  jwks: { keys: [{ ...rsa.export({ format: 'jwk' }), kid: 'test', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  scopes: ['openid', 'offline_access', 'email', 'profile'],
  claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
  // Claims of scopes stand in the ID token, too.
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    dPoP: {
      enabled: true,
      nonceSecret: randomBytes(32),
      requireNonce: () => process.env.NONCE === '1',
    },
    revocation: { enabled: true, allowedPolicy: () => true },
  },
  ttl: {
    AccessToken: seconds('ACCESS_TTL', 900),
    DeviceCode: seconds('CODE_TTL', 600),
    Grant: 86_400,
    IdToken: 900,
    Interaction: 600,
    RefreshToken: seconds('REFRESH_TTL', 86_400),
    Session: 86_400,
  },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, email: `${id}@example.com`, name: id }),
  }),
};

let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(seconds('PORT', 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, settings);
  const usual = provider.callback();
  answer = (request, response) => {
    if (request.url !== '/__decide') return usual(request, response);
    return decide(provider, request, response);
  };
  console.log(JSON.stringify({ issuer }));
});

async function decide(provider, request, response) {
  let text = '';
  for await (const part of request) text += part;
  const { user_code: userCode, account, deny } = JSON.parse(text);
  const code = await provider.DeviceCode.findByUserCode(userCode.replaceAll('-', ''));
  if (!code) {
    response.statusCode = 404;
    return response.end('no such code');
  }
  if (deny) {
    Object.assign(code, { error: 'access_denied', errorDescription: 'the person said no' });
  } else {
    const grant = new provider.Grant({ accountId: account, clientId: code.clientId });
    grant.addOIDCScope(code.params.scope);
    const authTime = Math.floor(Date.now() / 1000);
    Object.assign(code, { accountId: account, grantId: await grant.save(), scope: code.params.scope, authTime, amr: ['pwd'], acr: '0' });
  }
  await code.save();
  return response.end('decided');
}
