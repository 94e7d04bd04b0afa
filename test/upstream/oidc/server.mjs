// npm oidc-provider as a provider that people sign in with at Gatehouse: over TLS, with its own
// development interaction, which checks no password.
//
//   node server.mjs ISSUER REDIRECT_URI CERTIFICATE KEY      (SECRET: the client's secret, KEYS: a JWK set)

import { Provider } from 'oidc-provider'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import https from 'node:https'

const [issuer, redirectURI, certificate, key] = process.argv.slice(2)

const client = (client_id, id_token_signed_response_alg, more) => ({
  client_id, client_secret: process.env.SECRET, grant_types: ['authorization_code', 'refresh_token'], redirect_uris: [redirectURI],
  response_types: ['code'], token_endpoint_auth_method: 'client_secret_basic', id_token_signed_response_alg, require_auth_time: true, ...more,
})

// Everybody is of the staff, unless it is said here.
const groups = { ann: ['engineers', 'staff'], stranger: [] }

// An account is there until somebody says otherwise at /gone.
const gone = new Set()

const provider = new Provider(issuer, {
  clients: [
    client('RS256', 'RS256'), client('PS256', 'PS256'), client('ES256', 'ES256'), client('EdDSA', 'EdDSA'),
    client('post', 'RS256', { token_endpoint_auth_method: 'client_secret_post' }),
    client('public', 'ES256', { token_endpoint_auth_method: 'none', client_secret: undefined }),
  ],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
  // Made by the test: some versions of Node stop for good where they export keys that they have made.
  jwks: JSON.parse(process.env.KEYS),
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email', 'email_verified'], auth_time: null, amr: null },
  findAccount: (_ctx, sub) => gone.has(sub) ? undefined : {
    accountId: sub,
    claims: () => ({ sub, name: 'Ann', email: 'ann@acme.example', email_verified: true, groups: groups[sub] ?? ['staff'] }),
  },
  pkce: { required: () => true },
  rotateRefreshToken: () => true,
  issueRefreshToken: (_ctx, client, code) => code.scopes.has('offline_access'),
  features: { devInteractions: { enabled: true } },
})

const { hostname, port } = new URL(issuer)
const callback = provider.callback()
const server = https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
  if (request.url.startsWith('/gone/')) {
    gone.add(request.url.slice('/gone/'.length))
    return response.end()
  }
  return callback(request, response)
})
server.listen(Number(port), hostname, () => console.log('listening'))
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeAllConnections() })
