"""A SAML 2.0 identity provider for tests: pysaml2 as Debian has it, which signs by xmlsec1,
behind https on loopback. Its only argument is a directory with settings.json, keys and, as
soon as it knows one, the metadata of a service provider (sp.xml). It prints its address."""
import base64
import html
import http.cookies
import http.server
import json
import os
import secrets
import ssl
import sys
import time
import urllib.parse

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_EMAILADDRESS, NAME_FORMAT_BASIC, NameID
from saml2.server import Server
from saml2.sigver import get_xmlsec_binary
from saml2.xmldsig import SIG_RSA_SHA256, DIGEST_SHA256

DIR = sys.argv[1]
SESSIONS = {}  # of browsers: cookie to (who, when)


def settings():
    """The settings as they are now: a test may change them while this runs."""
    with open(os.path.join(DIR, "settings.json")) as f:
        return json.load(f)


def at(name):
    return os.path.join(DIR, name)


class House(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def base(self):
        return "https://127.0.0.1:%d" % self.server.server_address[1]

    def idp(self):
        """pysaml2's server, made anew so that it has the keys and the service of now."""
        s = settings()
        config = {
            "entityid": self.base() + "/metadata",
            "xmlsec_binary": get_xmlsec_binary(["/usr/bin"]),
            "key_file": at(s["key"] + ".key"),
            "cert_file": at(s["key"] + ".crt"),
            "additional_cert_files": [at(name + ".crt") for name in s.get("published") or []],
            "service": {"idp": {
                "endpoints": {"single_sign_on_service": [(self.base() + "/sso", BINDING_HTTP_REDIRECT)]},
                "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None, "name_form": NAME_FORMAT_BASIC}},
            }},
        }
        if os.path.exists(at("sp.xml")):
            config["metadata"] = {"local": [at("sp.xml")]}
        return Server(config=IdPConfig().load(config)), config

    def do_GET(self):
        u = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(u.query))
        if u.path == "/metadata":
            _, config = self.idp()
            return self.answer(str(entity_descriptor(IdPConfig().load(config))), "application/samlmetadata+xml")
        if u.path == "/start":  # a link on a portal: nobody asked for it
            return self.form({"sp": query["sp"]})
        if u.path != "/sso":
            return self.answer("not here", status=404)
        idp, _ = self.idp()
        request = idp.parse_authn_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT).message
        fields = {"SAMLRequest": query["SAMLRequest"], "RelayState": query.get("RelayState", "")}
        who = SESSIONS.get(self.cookie())
        if who and request.force_authn != "true":
            return self.respond(fields, who)
        return self.form(fields)

    def do_POST(self):
        posted = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = dict(urllib.parse.parse_qsl(posted, keep_blank_values=True))
        name = fields.pop("username", "")
        person = settings()["people"].get(name)
        if not person or person["password"] != fields.pop("password", ""):
            return self.form(fields, "That is not right.")
        cookie = secrets.token_urlsafe(16)
        SESSIONS[cookie] = (name, int(time.time()))
        self.respond(fields, SESSIONS[cookie], cookie)

    def form(self, fields, text=""):
        self.page("Sign in at the identity provider", "/login", fields, text + '<label>User name <input name="username" autocomplete="username"></label>'
                  '<label>Password <input name="password" type="password"></label>')

    def respond(self, fields, who, cookie=None):
        """Posts a response to the service, by the person's browser."""
        idp, config = self.idp()
        s, (name, when) = settings(), who
        if "SAMLRequest" in fields:
            request = idp.parse_authn_request(fields["SAMLRequest"], BINDING_HTTP_REDIRECT).message
            to = dict(in_response_to=request.id, destination=request.assertion_consumer_service_url, sp_entity_id=request.issuer.text)
        else:
            acs = idp.metadata.assertion_consumer_service(fields["sp"], BINDING_HTTP_POST)[0]["location"]
            to = dict(in_response_to=None, destination=acs, sp_entity_id=fields["sp"])
        person = s["people"][name]
        response = idp.create_authn_response(
            person["attributes"], userid=name,
            name_id=NameID(format=NAMEID_FORMAT_EMAILADDRESS, sp_name_qualifier=to["sp_entity_id"], text=person["attributes"]["mail"][0]),
            authn={"class_ref": s["class"], "authn_auth": config["entityid"], "authn_instant": when},
            sign_assertion=not s.get("unsigned"), sign_response=bool(s.get("signResponse")),
            sign_alg=s.get("signature") or SIG_RSA_SHA256, digest_alg=s.get("digest") or DIGEST_SHA256, **to)
        # The page is what pysaml2's own would be, with a button in the place of a script.
        self.page("You are signed in", to["destination"], {
            "SAMLResponse": base64.b64encode(str(response).encode()).decode(), "RelayState": fields.get("RelayState", "")}, "", cookie)

    def page(self, title, action, fields, inside, cookie=None):
        hidden = "".join('<input type="hidden" name="%s" value="%s">' % (html.escape(k), html.escape(v)) for k, v in fields.items())
        self.answer('<!doctype html><html lang="en"><title>%s</title><h1>%s</h1><form method="post" action="%s">%s%s<button>Continue</button></form></html>'
                    % (title, title, html.escape(action), hidden, inside), cookie=cookie)

    def answer(self, text, kind="text/html; charset=utf-8", status=200, cookie=None):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if cookie:
            self.send_header("Set-Cookie", "idp=%s; Path=/; Secure; HttpOnly; SameSite=Lax" % cookie)
        self.end_headers()
        self.wfile.write(body)

    def cookie(self):
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        return cookies["idp"].value if "idp" in cookies else None


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), House)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at("tls.crt"), at("tls.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("https://127.0.0.1:%d" % server.server_address[1], flush=True)
    server.serve_forever()


main()
