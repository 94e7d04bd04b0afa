"""Authlib, as Debian has it, in a web application."""

import os
import sys

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.integrations.base_client import OAuthError
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
import requests

ISSUER, SITE, SECRET, EMAIL = (os.environ[name] for name in ("ISSUER", "SITE", "SECRET", "EMAIL"))
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the issuer is on loopback


def ask(verb, url):
    """Has the person do something, and returns where the browser ended up."""
    print(verb, url, flush=True)
    answer = sys.stdin.readline().strip()
    assert answer, f"the person could not {verb}"
    return answer


def of(client_id, **options):
    return OAuth2Session(client_id, SECRET, **options)


def verified(metadata, token, alg, client_id, nonce=None):
    """Verifies the ID token with the published keys, and returns its claims."""
    keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
    claims = JsonWebToken([alg]).decode(
        token["id_token"],
        keys,
        claims_cls=CodeIDToken,
        claims_options={"iss": {"essential": True, "value": ISSUER}},
        claims_params={"nonce": nonce, "client_id": client_id, "access_token": token["access_token"]},
    )
    claims.validate()
    return claims


def sign_in(metadata, client_id, alg):
    session = of(
        client_id,
        scope="openid profile email groups offline_access org:read",
        redirect_uri=SITE + "/callback",
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",
        revocation_endpoint_auth_method="client_secret_basic",
    )
    verifier, nonce = generate_token(48), generate_token()
    url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    assert create_s256_code_challenge(verifier) in url
    landed = ask("allow", url)
    token = session.fetch_token(metadata["token_endpoint"], authorization_response=landed, state=state, code_verifier=verifier)
    claims = verified(metadata, token, alg, client_id, nonce)
    assert claims["email"] == EMAIL and claims["groups"] == ["role:developer"], claims
    info = session.get(metadata["userinfo_endpoint"]).json()
    assert info["sub"] == claims["sub"] and info["email"] == EMAIL, info

    fresh = session.refresh_token(metadata["token_endpoint"])
    assert fresh["refresh_token"] != token["refresh_token"]
    assert verified(metadata, fresh, alg, client_id)["sub"] == claims["sub"]
    asked = session.introspect_token(metadata["introspection_endpoint"], fresh["access_token"]).json()
    assert asked["active"] and asked["sub"] == claims["sub"], asked
    assert session.revoke_token(metadata["revocation_endpoint"], fresh["refresh_token"]).status_code == 200
    asked = session.introspect_token(metadata["introspection_endpoint"], fresh["access_token"]).json()
    assert asked == {"active": False}, asked


def machine(metadata):
    session = of("acme.ci", scope="org:read", token_endpoint_auth_method="client_secret_post")
    token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert token["scope"] == "org:read", token["scope"]
    assert session.get(ISSUER + "/api/0/organizations/acme/").json()["slug"] == "acme"


def signed(metadata):
    """Proves itself with a private key. The audience is the issuer, which Authlib has to be told."""
    session = OAuth2Session("acme.signed", os.environ["RSA_KEY"], scope="org:read", token_endpoint_auth_method="private_key_jwt")
    session.register_client_auth_method(PrivateKeyJWT(ISSUER))
    for _ in range(2):
        token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert token["scope"] == "org:read", token["scope"]
    assert session.get(ISSUER + "/api/0/organizations/acme/").json()["slug"] == "acme"
    session = OAuth2Session("acme.signed", os.environ["RSA_KEY"], token_endpoint_auth_method="private_key_jwt")
    session.register_client_auth_method(PrivateKeyJWT())  # the token endpoint
    try:
        session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        raise AssertionError("an assertion for the token endpoint was taken")
    except OAuthError as refused:
        assert refused.error == "invalid_client", refused


metadata = requests.get(ISSUER + "/.well-known/openid-configuration", timeout=10).json()
sign_in(metadata, "acme.web", "RS256")
sign_in(metadata, "acme.web-es256", "ES256")
machine(metadata)
signed(metadata)
