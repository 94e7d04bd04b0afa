// openid-client, as it is, in each kind of application.
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { allow, connect, deny, email, end, issuer, open, secret, site } from './person.mjs'

// ID tokens are verified by their signature, not only because of whom they come from.
const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks]
const discover = (id, authentication, metadata) => client.discovery(new URL(issuer), id, metadata, authentication, { execute })

// signIn runs the code flow and returns what was given, with its verified claims.
async function signIn(config, redirect_uri, scope) {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const nonce = client.randomNonce()
  const landed = await allow(client.buildAuthorizationUrl(config, {
    redirect_uri, scope, state, nonce, max_age: '600',
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }))
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, maxAge: 600 }
  // RFC 9207: an answer of another server, and one that hides whose it is.
  for (const change of [(u) => u.searchParams.set('iss', 'https://evil.example'), (u) => u.searchParams.delete('iss')]) {
    const forged = new URL(landed)
    change(forged)
    await assert.rejects(client.authorizationCodeGrant(config, forged, checks), ({ cause }) => /"iss"/.test(cause.message))
  }
  const tokens = await client.authorizationCodeGrant(config, landed, checks)
  assert.equal(tokens.claims().email, email)
  const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
  assert.equal(info.email, email)
  return tokens
}

async function refreshed(config, tokens) {
  const next = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.notEqual(next.refresh_token, tokens.refresh_token)
  assert.equal(next.claims().sub, tokens.claims().sub)
  return next
}

async function web(id, alg) {
  const config = await discover(id, client.ClientSecretBasic(secret), { id_token_signed_response_alg: alg })
  const tokens = await refreshed(config, await signIn(config, site + '/callback', 'openid email offline_access org:read'))
  const asked = await client.tokenIntrospection(config, tokens.access_token)
  assert.deepEqual([asked.active, asked.client_id, asked.scope], [true, id, 'email offline_access openid org:read'])
  await client.tokenRevocation(config, tokens.refresh_token)
  assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false })
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' })
  const left = await open(client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token, post_logout_redirect_uri: site + '/bye', state: 'state of the farewell',
  }))
  assert.equal(left.href, site + '/bye?state=state+of+the+farewell')
}

async function withoutSecret(id, redirect_uri) {
  const config = await discover(id, client.None())
  const tokens = await refreshed(config, await signIn(config, redirect_uri, 'openid email offline_access'))
  await client.tokenRevocation(config, tokens.refresh_token)
  await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub))
}

// What an application is told when there is nothing to be had.
async function refusals() {
  const config = await discover('acme.web', client.ClientSecretBasic(secret))
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const request = {
    redirect_uri: site + '/callback', scope: 'openid', state,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }
  const refused = async (error, go, change) => {
    const landed = await go(client.buildAuthorizationUrl(config, { ...request, ...change }))
    await assert.rejects(client.authorizationCodeGrant(config, landed, { pkceCodeVerifier: verifier, expectedState: state }), (e) => {
      assert.ok(e instanceof client.AuthorizationResponseError, e)
      assert.equal(e.error, error)
      return true
    })
  }
  await refused('login_required', open, { prompt: 'none' })
  await refused('access_denied', deny, {})
  await refused('consent_required', open, { prompt: 'none' })
  await refused('invalid_scope', open, { scope: 'openid no:such-scope' })
  await refused('unsupported_response_type', open, { response_type: 'code id_token' })
  // A code that was stolen, and one that is used twice.
  const landed = await allow(client.buildAuthorizationUrl(config, request))
  await assert.rejects(client.authorizationCodeGrant(config, landed, {
    pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: state,
  }), { error: 'invalid_grant' })
  await assert.rejects(client.authorizationCodeGrant(config, landed, { pkceCodeVerifier: verifier, expectedState: state }), { error: 'invalid_grant' })
}

async function device() {
  const config = await discover('acme.cli', client.None())
  const asked = await client.initiateDeviceAuthorization(config, { scope: 'openid email offline_access' })
  await connect(asked.verification_uri_complete)
  const tokens = await client.pollDeviceAuthorizationGrant(config, asked)
  assert.equal(tokens.claims().email, email)
  await refreshed(config, tokens)
}

async function machine(authentication) {
  const config = await discover('acme.ci', authentication)
  const tokens = await client.clientCredentialsGrant(config, { scope: 'org:read' })
  assert.equal(tokens.scope, 'org:read')
  const answer = await client.fetchProtectedResource(config, tokens.access_token, new URL(issuer + '/api/0/organizations/acme/'), 'GET')
  assert.equal(answer.status, 200)
}

// private_key_jwt: no secret at all. Each request is signed anew; the audience is the issuer.
async function signed(pem, kid, algorithm) {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
  const key = await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
  const config = await discover('acme.signed', client.PrivateKeyJwt({ key, kid }))
  for (const scope of ['org:read', 'project:read']) {
    const tokens = await client.clientCredentialsGrant(config, { scope })
    assert.equal(tokens.scope, scope)
    assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, true)
    await client.tokenRevocation(config, tokens.access_token)
    assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false })
  }
  const another = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  const stranger = await discover('acme.signed', client.PrivateKeyJwt({ key: another.privateKey, kid }))
  await assert.rejects(client.clientCredentialsGrant(stranger), { status: 401 })
}

await refusals()
await web('acme.web', 'RS256')
await web('acme.web-es256', 'ES256')
await withoutSecret('acme.spa', site + '/spa/')
await withoutSecret('acme.native', 'http://127.0.0.1:' + new URL(site).port + '/callback')
await machine(client.ClientSecretBasic(secret))
await machine(client.ClientSecretPost(secret))
await signed(process.env.EC_KEY, 'ec', { name: 'ECDSA', namedCurve: 'P-256' })
const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }
await signed(process.env.RSA_KEY, 'rsa', { name: 'RSASSA-PKCS1-v1_5', ...rsa })
await signed(process.env.RSA_KEY, 'rsa', { name: 'RSA-PSS', ...rsa })
await device()
end()
