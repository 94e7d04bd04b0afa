# `make` lists the targets. Everything that is built or installed for tests goes into
# CACHE, outside the tree, by version: a second run finds it there.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE ?= $(or $(GATEHOUSE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gatehouse)
BIN   := $(CACHE)/bin

# A tool's version is the one its module in hack/tools requires.
version = $(shell sed -n 's|.*$(2) \(v[^ ]*\).*|\1|p' hack/tools/$(1)/go.mod | head -n 1)

KUBERNETES_VERSION := $(call version,kubernetes,k8s.io/kubernetes)
ETCD_VERSION       := $(call version,etcd,go.etcd.io/etcd/server/v3)
CONTROLLER_GEN     := $(BIN)/controller-gen-$(call version,controller-gen,sigs.k8s.io/controller-tools)
GOLANGCI_LINT      := $(BIN)/golangci-lint-$(call version,lint,github.com/golangci/golangci-lint/v2)
KUBERNETES         := $(BIN)/kubernetes-$(KUBERNETES_VERSION)
KUBERNETES_PARTS   := $(addprefix $(KUBERNETES)/,kube-apiserver kube-controller-manager kubectl)
ETCD               := $(KUBERNETES)/etcd-$(ETCD_VERSION)
HELM_DOCS          := $(BIN)/helm-docs-$(call version,helm-docs,github.com/norwoodj/helm-docs)
HELM               := $(BIN)/helm-$(call version,helm,helm.sh/helm/v4)
HELM_3             := $(BIN)/helm-$(call version,helm,helm.sh/helm/v3)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/gatehouse-dev/gatehouse/internal/cli.version=$(VERSION)

export CGO_ENABLED ?= 0
export GATEHOUSE_CACHE := $(CACHE)
export GATEHOUSE_ENVTEST_ASSETS ?= $(KUBERNETES)

# Debian's packages of clients that sign people in at Gatehouse in test/interop.
CLIENTS := python3-authlib python3-requests libapache2-mod-auth-openidc oidc-agent-cli

# Debian's packages of providers that Gatehouse signs people in by in test/upstream.
PROVIDERS := python3-pysaml2 xmlsec1 slapd

# Where `make run` listens and keeps its state.
LISTEN     ?= localhost:8080
OPS_LISTEN ?= localhost:8081
DATA_DIR   ?= .gatehouse/run

# On a terminal the program gets a process group of its own, so that Ctrl-C reaches it
# alone and make sees it end with 0.
foreground = if [ -t 0 ]; then set -m; fi; $(1) || exit $$?; exit 0

##@ Use

.PHONY: run
run: build ## Serve config/samples on this machine and print what to try.
	@$(call foreground,bin/gatehouse serve --dev --manifests config/samples --data-dir $(DATA_DIR) \
	  --listen $(LISTEN) --ops-listen $(OPS_LISTEN))

.PHONY: cluster
cluster: build envtest ## Start a local Kubernetes API with Gatehouse against it; Ctrl-C stops both.
	@go build -o bin/cluster ./hack/cluster
	@$(call foreground,bin/cluster --gatehouse bin/gatehouse)

.PHONY: build
build: ## Build bin/gatehouse.
	@go build -ldflags '$(LDFLAGS)' -o bin/gatehouse .

# The chart deploys the image of this name.
IMAGE ?= gatehouse:$(shell sed -n 's/^appVersion: "\(.*\)"/\1/p' charts/gatehouse/Chart.yaml)

.PHONY: image
image: ## Build the container image for amd64 and arm64 into bin/gatehouse-image.tar; no daemon is needed.
	@mkdir -p bin
	@go run ./hack/image -output bin/gatehouse-image.tar -name $(IMAGE) -version $(VERSION) \
	  -revision "$$(git rev-parse HEAD)" -created "$$(git log -1 --format=%ct)"

.PHONY: chart
chart: $(HELM) ## Check the Helm chart and pack it into bin.
	@$(HELM) lint --quiet --strict charts/gatehouse --set issuer=https://auth.example.com
	@$(HELM) package --destination bin charts/gatehouse

##@ Check

.PHONY: test
test: envtest helm programs ## Run every test; builds or installs what they need, once.
	@leaks=$$(mktemp -d); trap 'rm -rf "$$leaks"' EXIT; \
	GATEHOUSE_LEAKS=$$leaks go test -timeout 20m ./... 2>&1 | tee $$leaks/emitted-go-test; \
	go run ./hack/leaks $$leaks
	cd test/kstatus && go test -timeout 20m ./...
	cd test/sarif && go test -timeout 5m ./...
	cd test/interop/zitadel && go test -timeout 5m ./...
	@$(MAKE) --no-print-directory race fuzz

.PHONY: race
race: programs ## Run the tests of the server under the race detector.
	CGO_ENABLED=1 go test -race -timeout 20m ./server/...

# How long each fuzzer runs; an hour in total is FUZZTIME=4m.
FUZZTIME ?= 3s

.PHONY: fuzz
fuzz: ## Run each fuzzer for FUZZTIME.
	@hack/fuzz.sh $(FUZZTIME)

.PHONY: verify
verify: generate lint ## Regenerate everything and fail on a difference; lint; check the module files.
	@for module in $$(git ls-files '*go.mod'); do (cd $$(dirname $$module) && go mod tidy -diff); done
	@go mod verify >/dev/null
	@git diff --exit-code -- . || { echo 'verify: generated files differ from the committed ones: run `make generate` and commit' >&2; exit 1; }
	@test -z "$$(git status --porcelain -- api charts config docs)" || { git status --short -- api charts config docs; echo 'verify: generated files are not committed' >&2; exit 1; }
	@echo 'verify: nothing to change'

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters.
	@$(GOLANGCI_LINT) run ./...

.PHONY: bench
bench: envtest ## Measure the budgets next to a bare handler and peers; BENCH='-load 10m' watches the memory instead.
	go run ./test/bench $(BENCH)

##@ Make

.PHONY: generate
generate: $(CONTROLLER_GEN) $(HELM_DOCS) ## Regenerate deep copies, CRDs and RBAC from the Go types, and the chart's copies and README.
	@$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...
	@$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd
	@$(CONTROLLER_GEN) rbac:roleName=gatehouse paths=./controllers/... output:rbac:dir=config/rbac
	@rm -rf charts/gatehouse/files && mkdir -p charts/gatehouse/files/crd charts/gatehouse/files/rbac charts/gatehouse/files/admission
	@cp config/crd/auth.gatehouse.dev_*.yaml charts/gatehouse/files/crd
	@cp config/rbac/*role.yaml charts/gatehouse/files/rbac
	@cp config/admission/protect_*.yaml charts/gatehouse/files/admission
	@$(HELM_DOCS) --chart-search-root charts --sort-values-order file --log-level warning

.PHONY: tools
tools: envtest helm programs $(CONTROLLER_GEN) $(HELM_DOCS) $(GOLANGCI_LINT) ## Build or install everything that the other targets need.

.PHONY: envtest
envtest: $(KUBERNETES_PARTS) $(ETCD) ## Build kube-apiserver, kube-controller-manager, kubectl and etcd for the tests.

.PHONY: helm
helm: $(HELM) $(HELM_3) ## Build both living versions of Helm for the tests.

.PHONY: programs
programs: ## Install what the tests need of Debian and npm: chromium, curl, gcc, axe-core, clients that sign in, providers.
	@hack/need.sh chromium curl gcc $(CLIENTS) $(PROVIDERS)
	@hack/need-npm.sh test/browser/npm >/dev/null
	@hack/need-npm.sh test/interop/npm >/dev/null
	@hack/need-npm.sh test/bench/peers/oidc-provider >/dev/null

.PHONY: clean
clean: ## Remove what was built in the tree; CACHE stays.
	rm -rf bin .gatehouse

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "; print "make TARGET"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

# Each tool is built beside its final name and moved there, so that an interrupted build
# leaves nothing that looks finished. Its version is in its path: it is never out of date.

K8S_X := k8s.io/component-base/version
$(KUBERNETES_PARTS): $(KUBERNETES)/%:
	@echo 'building $* $(KUBERNETES_VERSION): some minutes, once'
	@mkdir -p $(KUBERNETES)
	@cd hack/tools/kubernetes && CGO_ENABLED=0 go build -trimpath \
	  -ldflags '-s -w -X $(K8S_X).gitVersion=$(KUBERNETES_VERSION) -X $(K8S_X).gitMajor=1 -X $(K8S_X).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES_VERSION)))' \
	  -o $@.new k8s.io/kubernetes/cmd/$* && mv $@.new $@ && touch $@

$(ETCD):
	@echo 'building etcd $(ETCD_VERSION), once'
	@mkdir -p $(KUBERNETES)
	@cd hack/tools/etcd && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(ETCD).new .
	@mv $(ETCD).new $(ETCD) && ln -sf $(notdir $(ETCD)) $(KUBERNETES)/etcd

$(HELM) $(HELM_3): $(BIN)/helm-v%:
	@echo 'building Helm v$*: some minutes, once'
	@cd hack/tools/helm && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $@.new helm.sh/helm/v$(firstword $(subst ., ,$*))/cmd/helm && mv $@.new $@ && touch $@

$(CONTROLLER_GEN):
	@cd hack/tools/controller-gen && go build -trimpath -o $@.new sigs.k8s.io/controller-tools/cmd/controller-gen && mv $@.new $@ && touch $@

$(HELM_DOCS):
	@cd hack/tools/helm-docs && go build -trimpath -o $@.new github.com/norwoodj/helm-docs/cmd/helm-docs && mv $@.new $@ && touch $@

$(GOLANGCI_LINT):
	@echo 'building golangci-lint: some minutes, once'
	@cd hack/tools/lint && go build -trimpath -o $@.new github.com/golangci/golangci-lint/v2/cmd/golangci-lint && mv $@.new $@ && touch $@
