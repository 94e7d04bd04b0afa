// npm oidc-provider as test/bench measures it: its own adapter, which keeps everything in
// memory, and its own development interaction, which checks no password.
//
//   node server.mjs ISSUER REDIRECT_URI      (BENCH_SECRET: the client's secret)

import { Provider } from 'oidc-provider'
import { generateKeyPairSync, randomBytes } from 'node:crypto'

const [issuer, redirectURI] = process.argv.slice(2)
const secret = process.env.BENCH_SECRET
const api = 'urn:bench:api'

const signingKey = (alg, type, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg,
})

// Every client is confidential and proves itself with HTTP Basic.
const client = (client_id, grant_types, more) => ({
  client_id, client_secret: secret, grant_types, redirect_uris: [], response_types: [],
  token_endpoint_auth_method: 'client_secret_basic', ...more,
})
const web = { redirect_uris: [redirectURI], response_types: ['code'] }

const provider = new Provider(issuer, {
  clients: [
    client('machine', ['client_credentials']),
    client('device', ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token']),
    client('web-ES256', ['authorization_code', 'refresh_token'], { ...web, id_token_signed_response_alg: 'ES256' }),
    client('web-RS256', ['authorization_code', 'refresh_token'], { ...web, id_token_signed_response_alg: 'RS256' }),
  ],
  jwks: { keys: [signingKey('RS256', 'rsa', { modulusLength: 2048 }), signingKey('ES256', 'ec', { namedCurve: 'P-256' })] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  scopes: ['openid', 'offline_access', 'read'],
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  findAccount: (_ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: 'Demo', email: 'demo@example.com', email_verified: true }),
  }),
  pkce: { required: () => true },
  rotateRefreshToken: () => true,
  issueRefreshToken: (_ctx, client, code) => client.grantTypeAllowed('refresh_token') && !code.scopes.has('openid'),
  ttl: {
    AccessToken: 3600, ClientCredentials: 3600, AuthorizationCode: 60, DeviceCode: 600, IdToken: 600,
    RefreshToken: 86400, Interaction: 3600, Session: 86400, Grant: 86400,
  },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_ctx, caller, token) => caller.clientId === token.clientId },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: () => ({
        scope: 'read', accessTokenTTL: 600, accessTokenFormat: 'jwt', audience: api, jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})

const { hostname, port } = new URL(issuer)
const server = provider.listen(Number(port), hostname)
server.keepAliveTimeout = 60_000 // the default closes connections that rest between two measurements
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeAllConnections() })
