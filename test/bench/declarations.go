package main

import "strings"

// declarations are one organization with a command line tool, machine clients and web
// applications, one for each kind of token.
func declarations(secret string) string {
	return strings.NewReplacer("SECRET", secret, "REDIRECT", redirectURI).Replace(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: acme}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: acme}
spec: {organizationRef: {name: acme}, clientID: acme.cli, type: Device, scopes: ["org:read", "project:write"]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: ci, namespace: acme}
spec:
  organizationRef: {name: acme}
  clientID: acme.ci
  type: Machine
  introspection: Organization
  scopes: ["org:read", "project:read"]
  credentials: {source: FromSecret, fromSecret: {name: clients, key: client-secret}}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: jwt, namespace: acme}
spec:
  organizationRef: {name: acme}
  clientID: acme.jwt
  type: Machine
  scopes: ["org:read", "project:read"]
  credentials: {source: FromSecret, fromSecret: {name: clients, key: client-secret}}
  tokens: {format: JWT}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: web, namespace: acme}
spec:
  organizationRef: {name: acme}
  clientID: acme.web
  type: Web
  redirectURIs: ["REDIRECT"]
  scopes: [openid, profile, email, "org:read"]
  consent: {mode: Skip}
  credentials: {source: FromSecret, fromSecret: {name: clients, key: client-secret}}
  tokens: {idTokenSigningAlg: ES256}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: web-rs256, namespace: acme}
spec:
  organizationRef: {name: acme}
  clientID: acme.web-rs256
  type: Web
  redirectURIs: ["REDIRECT"]
  scopes: [openid, profile, email, "org:read"]
  consent: {mode: Skip}
  credentials: {source: FromSecret, fromSecret: {name: clients, key: client-secret}}
---
apiVersion: v1
kind: Secret
metadata: {name: clients, namespace: acme, labels: {auth.gatehouse.dev/secret: input}}
stringData: {client-secret: "SECRET"}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: developer, namespace: acme}
spec:
  organizationRef: {name: acme}
  rules: [{scopes: ["org:read", "project:write"]}]
  subjects: [{kind: User, name: demo@example.com}, {kind: ApiApplication, name: ci}, {kind: ApiApplication, name: jwt}]
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: AuthProvider
metadata: {name: local, namespace: gatehouse-system}
spec: {type: Local}
`)
}
