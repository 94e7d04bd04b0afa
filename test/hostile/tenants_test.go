package hostile

// tenants is what the cluster administrator set up: acme with everything it has, a
// namespace for mallory, an open organization of a third party, and the installation.
const tenants = `
{apiVersion: v1, kind: Namespace, metadata: {name: acme}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: evil, annotations: {auth.gatehouse.dev/slugs: "evil-okta, evil-oktx, evil-web, evil-wex"}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: open}}
---
apiVersion: v1
kind: Secret
metadata: {name: gatehouse-keyring, namespace: gatehouse-system, labels: {auth.gatehouse.dev/secret: keyring}}
stringData: {secret: keyring-keyring-keyring-keyring-keyring}
---
{apiVersion: auth.gatehouse.dev/v1alpha1, kind: AuthProvider, metadata: {name: local, namespace: gatehouse-system}, spec: {type: Local}}
---
{apiVersion: auth.gatehouse.dev/v1alpha1, kind: AuthProvider, metadata: {name: own, namespace: acme}, spec: {type: Local}}
---
{apiVersion: auth.gatehouse.dev/v1alpha1, kind: AuthProvider, metadata: {name: okta, namespace: acme}, spec: {organizationRef: {name: acme}, type: OIDC, oidc: {issuer: "https://acme.okta.example", clientID: gatehouse}}}
---
{apiVersion: auth.gatehouse.dev/v1alpha1, kind: Organization, metadata: {name: acme, namespace: acme}, spec: {slug: acme}}
---
apiVersion: v1
kind: Secret
metadata: {name: ci, namespace: acme, labels: {auth.gatehouse.dev/secret: input}}
stringData: {secret: victim-victim-victim-victim-victim-victim}
---
apiVersion: v1
kind: Secret
metadata: {name: unlabelled, namespace: acme}
stringData: {secret: private-private-private-private-private}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: ci, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Machine
  scopes: ["org:read"]
  audiences: ["https://api.acme.example"]
  credentials: {source: FromSecret, fromSecret: {name: ci, key: secret}}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: web, namespace: acme}
spec:
  organizationRef: {name: acme}
  clientID: acme.web
  type: Web
  scopes: [openid, "org:read"]
  redirectURIs: ["https://web.acme.example/callback"]
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: reader, namespace: acme}
spec:
  organizationRef: {name: acme}
  rules: [{scopes: ["org:read"]}]
  subjects: [{kind: ApiApplication, name: ci}]
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: open, namespace: open}
spec: {slug: open, allowedNamespaces: {apiApplications: {from: All}}}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: first, namespace: open}
spec: {organizationRef: {name: open}, clientID: open.cli, type: Device, scopes: ["org:read"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: secrets, namespace: evil}
rules:
- {apiGroups: [""], resources: [secrets, configmaps], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: declarations, namespace: evil}
rules:
- {apiGroups: [auth.gatehouse.dev], resources: [organizations, roles, authproviders], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: edit, namespace: evil}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gatehouse-edit}
subjects: [{kind: User, name: mallory-the-editor}, {kind: User, name: mallory-the-owner}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: view, namespace: evil}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gatehouse-view}
subjects: [{kind: User, name: mallory-the-editor}, {kind: User, name: mallory-the-owner}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: secrets, namespace: evil}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: secrets}
subjects: [{kind: User, name: mallory-the-editor}, {kind: User, name: mallory-the-owner}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: declarations, namespace: evil}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: declarations}
subjects: [{kind: User, name: mallory-the-owner}]
`
