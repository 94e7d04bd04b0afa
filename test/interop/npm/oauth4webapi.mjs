// oauth4webapi, as it is: the steps one by one, and what a resource server does with them.
import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { allow, connect, email, end, issuer, open, secret, site } from './person.mjs'

const local = { [oauth.allowInsecureRequests]: true }
const at = new URL(issuer)

// OpenID Connect Discovery and RFC 8414 say the same.
const as = await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, local))
assert.deepEqual(as, await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, { ...local, algorithm: 'oauth2' })))

const me = { client_id: 'acme.web-es256', id_token_signed_response_alg: 'ES256' }
const basic = oauth.ClientSecretBasic(secret)

async function signIn() {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: me.client_id, redirect_uri: site + '/callback', response_type: 'code', state, nonce,
    scope: 'openid email offline_access org:read', code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  const answer = oauth.validateAuthResponse(as, me, await allow(url), state)
  const response = await oauth.authorizationCodeGrantRequest(as, me, basic, answer, site + '/callback', verifier, local)
  const tokens = await oauth.processAuthorizationCodeResponse(as, me, response, { expectedNonce: nonce, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(as, response, local)
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  assert.equal(claims.email, email)
  return { tokens, claims }
}

// RFC 9068: the resource server asks nobody.
async function readByItself(token, subject) {
  const request = new Request('https://api.example.com/', { headers: { authorization: 'Bearer ' + token } })
  const says = await oauth.validateJwtAccessToken(as, request, issuer + '/organizations/acme', { ...local, signingAlgorithms: ['ES256'] })
  assert.equal(says.org, 'acme')
  if (subject) assert.equal(says.sub, subject)
  await assert.rejects(oauth.validateJwtAccessToken(as, request, issuer + '/organizations/globex', local), /"aud"/)
}

const { tokens, claims } = await signIn()
await readByItself(tokens.access_token, claims.sub)

const info = await oauth.processUserInfoResponse(as, me, claims.sub, await oauth.userInfoRequest(as, me, tokens.access_token, local))
assert.equal(info.email, email)

const next = await oauth.processRefreshTokenResponse(as, me, await oauth.refreshTokenGrantRequest(as, me, basic, tokens.refresh_token, local))
assert.equal(oauth.getValidatedIdTokenClaims(next).sub, claims.sub)
await readByItself(next.access_token, claims.sub)

// A resource server that does ask (RFC 7662), and a token that is given back (RFC 7009).
const rs = { client_id: 'acme.ci' }
const introspect = async (token) => oauth.processIntrospectionResponse(as, rs, await oauth.introspectionRequest(as, rs, basic, token, local))
assert.deepEqual([(await introspect(next.access_token)).active, (await introspect(next.access_token)).sub], [true, claims.sub])
await oauth.processRevocationResponse(await oauth.revocationRequest(as, me, basic, next.access_token, local))
assert.deepEqual(await introspect(next.access_token), { active: false })

const robot = { client_id: 'acme.ci-jwt' }
const own = await oauth.processClientCredentialsResponse(as, robot,
  await oauth.clientCredentialsGrantRequest(as, robot, basic, { scope: 'org:read' }, local))
await readByItself(own.access_token, robot.client_id)

const tool = { client_id: 'acme.cli' }
const device = await oauth.processDeviceAuthorizationResponse(as, tool,
  await oauth.deviceAuthorizationRequest(as, tool, oauth.None(), { scope: 'openid email' }, local))
const poll = async () => oauth.processDeviceCodeResponse(as, tool,
  await oauth.deviceCodeGrantRequest(as, tool, oauth.None(), device.device_code, local))
await assert.rejects(poll(), { error: 'authorization_pending' })
await connect(device.verification_uri_complete)
assert.equal(oauth.getValidatedIdTokenClaims(await poll()).email, email)
await assert.rejects(poll(), { error: 'invalid_grant' })

const farewell = new URL(as.end_session_endpoint)
farewell.search = new URLSearchParams({ id_token_hint: next.id_token, post_logout_redirect_uri: site + '/bye', state: 'end' })
assert.equal((await open(farewell)).href, site + '/bye?state=end')
end()
