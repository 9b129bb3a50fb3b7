# weft: `make` builds, `make demo` shows, `make test` proves. Each target does its own set-up.
SHELL := /bin/sh
# deploy/install-node.sh puts a Node into .build/node/ where the system's is too old.
export PATH := $(CURDIR)/.build/node/bin:$(PATH):/usr/sbin:/sbin
LAB_TOOLS := bash etcd etcdctl ip bridge iperf3 ping nsenter unshare setpriv sysctl
TEST_TOOLS := $(LAB_TOOLS) nft iptables cc openssl socat ethtool tshark valgrind aarch64-linux-gnu-gcc qemu-aarch64 /usr/lib/cni/bridge busybox dockerd libfuzzer promtool fastd curl /usr/lib/ipsec/charon wireguard-go wg
BENCH_TOOLS := $(LAB_TOOLS) cc curl ethtool fastd socat ovs-vswitchd tincd vtund wireguard-go wg /usr/lib/cni/bridge perf
FUZZ_SECONDS ?= 60
FUZZ_SPECS = $(addprefix dist/,$(patsubst %.ts,%.js,$(shell grep -rl --include='*.spec.ts' fast-check lib allocator backends daemon cli test/packet-differential.spec.ts)))
SOURCES := $(shell find api lib allocator backends daemon containers cli native lab bench test deploy -name '*.ts' 2>/dev/null)
PAGE := docs/how-to/monitor.md $(wildcard daemon/page/*.html daemon/page/*.css daemon/page/dom/*)
UNIT_SPECS = 'dist/{lib,allocator,backends,daemon,containers,cli,native,lab,bench,deploy,test/lint,test/mutants}/**/*.spec.js' dist/test/imports.spec.js dist/test/import-cycles.spec.js dist/test/suite-inputs.spec.js

.PHONY: build bundle prebuild demo test test-unit test-specs test-native test-arm64 test-fuzz test-root test-path-kernel bench bench-short bench-report lint format man fuzz clean lab-tools test-tools bench-tools

build: dist/.built dist/weft-cni dist/weft-client.cjs native/build/weft.node

# Not `npm ci`: it refuses a lock file that was made where packages of other platforms could not be had.
node_modules/.installed: package.json package-lock.json
	@deploy/install-node.sh
	NODE_NO_WARNINGS=1 npm install --no-save --ignore-scripts --no-progress --loglevel=error
	@touch $@

# Incremental. What was compiled from a file that is gone goes first.
dist/.built: node_modules/.installed tsconfig.json $(PAGE) $(SOURCES)
	@find dist -name '*.js' -not -path 'dist/addons/*' 2>/dev/null | while read -r file; do \
	  source=$${file#dist/}; [ -e "$${source%.js}.ts" ] || rm -f "$$file" "$$file.map"; done
	node_modules/.bin/tsc
	@node_modules/.bin/tsc -p daemon/page/dom
	@node dist/deploy/bundle/write-page.js
	@touch $@

# The CNI plugin in JavaScript in one file.
dist/weft-cni.cjs: dist/.built bin/check-node.mjs
	node_modules/.bin/esbuild dist/containers/cni/main.js --bundle --platform=node --format=cjs --target=node20.19 \
	  --banner:js="$$(echo '#!/usr/bin/env node'; echo "'use strict';"; cat bin/check-node.mjs)" --minify-whitespace --minify-syntax --log-level=warning --outfile=$@
	@chmod +x $@

# The same behind a program that has the daemon answer, as it is started for every container. Without a C compiler the
# script alone.
dist/weft-cni: dist/weft-cni.cjs native/build/cni-client
	@cat $$(ls native/build/cni-client 2>/dev/null) $< >$@.new && chmod +x $@.new && mv $@.new $@

native/build/cni-client: $(wildcard native/cni/*.[ch] native/cni/build.sh)
	@sh native/cni/build.sh native/build
	@[ ! -e $@ ] || rm -rf native/prebuilds

# The commands that only ask the daemon, in one file without anything else: people wait for them.
dist/weft-client.cjs: dist/.built bin/check-node.mjs
	node_modules/.bin/esbuild dist/cli/client.js --bundle --platform=node --format=cjs --target=node20.19 \
	  --banner:js="$$(echo "'use strict';"; cat bin/check-node.mjs)" --minify-whitespace --minify-syntax --log-level=warning --outfile=$@

# The start of the daemon, which runs weft.mjs with the code that an earlier start compiled.
dist/weft-daemon.cjs: dist/.built bin/check-node.mjs
	node_modules/.bin/esbuild dist/cli/daemon-start.js --bundle --platform=node --format=cjs --target=node20.19 \
	  --banner:js="$$(echo "'use strict';"; cat bin/check-node.mjs)" --minify-whitespace --minify-syntax --log-level=warning --outfile=$@

# Without a C compiler everything but the userspace path works, with less detail in kernel errors.
native/build/weft.node: node_modules/.installed $(wildcard native/src/*.[ch] native/packet/*.[ch] native/route/*.[ch] native/bpf/*.[ch] native/probe/*.[ch] native/path/*.[ch] native/bpf/kernel/*.h)
	@sh native/build.sh
	@[ ! -e $@ ] || rm -rf native/prebuilds

# dist/weft.mjs and dist/addons/, with the CNI plugin: all that a host with Node needs.
bundle: dist/.bundled dist/weft-cni

dist/.bundled: dist/.built bin/check-node.mjs dist/weft-client.cjs dist/weft-daemon.cjs native/build/weft.node native/build/cni-client $(wildcard native/prebuilds/*/*)
	node dist/deploy/bundle/main.js
	@touch $@

# The addon's recipe removes those of older sources.
native/prebuilds/%: ;

# Debian packages for amd64 and arm64 in dist/, each without Node and with it.
.PHONY: deb
deb: build prebuild
	@deploy/install-tools.sh dpkg-deb
	$(MAKE) bundle
	@for arch in amd64 arm64; do sh deploy/deb/build.sh $$arch && sh deploy/deb/build.sh --with-node $$arch || exit 1; done

# Container image for amd64 and arm64 in dist/, without an engine. Fetches from Debian and the npm registry.
.PHONY: image test-image
image: build prebuild
	@deploy/install-tools.sh dpkg-deb readelf aarch64-linux-gnu-gcc
	@$(MAKE) --no-print-directory bundle
	@node dist/deploy/image/main.js

# Two builds and what is in them; root only.
test-image: build prebuild
	@if [ "$$(id -u)" -ne 0 ]; then echo 'test-image needs root: it runs programs of the image'; else \
	  deploy/install-tools.sh dpkg-deb readelf aarch64-linux-gnu-gcc containerd && $(MAKE) --no-print-directory bundle && \
	  node_modules/.bin/mocha --timeout 180000 'dist/test/image/*.spec.js'; fi

# Each C function of the packet path by itself, for the tests that compare it with its specification.
native/build/weft-oracle.node: node_modules/.installed $(wildcard native/packet/*.[ch] native/route/*.[ch]) native/test/oracle-binding.c native/test/build-oracle.sh
	@sh native/test/build-oracle.sh

# Copies that are loaded instead of one's own build, so that a user needs no compiler. Of older sources they would mislead.
prebuild: native/build/weft.node native/build/cni-client
	@deploy/install-tools.sh aarch64-linux-gnu-gcc
	CC=cc sh native/build.sh native/prebuilds/linux-$$(node -p process.arch)/weft.node
	CC=aarch64-linux-gnu-gcc sh native/build.sh native/prebuilds/linux-arm64/weft.node
	CC=cc sh native/cni/build.sh native/prebuilds/linux-$$(node -p process.arch)
	CC=aarch64-linux-gnu-gcc sh native/cni/build.sh native/prebuilds/linux-arm64

lab-tools:
	@deploy/install-tools.sh $(LAB_TOOLS) cc node npm

test-tools:
	@deploy/install-tools.sh $(TEST_TOOLS)

demo: lab-tools bundle
	bin/weft lab run --hosts 3

# The C of the packet path under sanitizers, and for arm64 under qemu. Neither runs twice for the same sources and tools.
C_TESTS = Makefile native/packet native/route native/bpf native/probe native/path native/cni native/src native/test
test-native:
	@deploy/install-tools.sh cc
	@sh test/unless-passed.sh gcc '$(C_TESTS)' sh native/test/run.sh

test-arm64:
	@deploy/install-tools.sh aarch64-linux-gnu-gcc qemu-aarch64
	@sh test/unless-passed.sh 'aarch64-linux-gnu-gcc qemu-aarch64' '$(C_TESTS)' sh native/test/run.sh arm64

# Each C fuzzer for a moment.
test-fuzz:
	@deploy/install-tools.sh libfuzzer
	@sh test/unless-passed.sh clang '$(C_TESTS) native/fuzz' sh native/fuzz/run.sh 3

# Root's capabilities are dropped: what passes for root passes for an ordinary user.
UNPRIVILEGED = $(shell [ "$$(id -u)" -ne 0 ] || echo setpriv --bounding-set=-all --inh-caps=-all)
test-unit: test-native test-specs

# Some read documents, packages' recipes and C.
SPEC_INPUTS = .mocharc.json CHANGELOG.md CONTRIBUTING.md Makefile README.md bin deploy dist docs native native/build/weft.node package.json package-lock.json
test-specs: build
	@sh test/unless-passed.sh node '$(SPEC_INPUTS)' env -u NODE_EXTRA_CA_CERTS $(UNPRIVILEGED) node_modules/.bin/mocha --parallel $(UNIT_SPECS)

# One spec or suite after an incremental build: make test-one FILE=daemon/reconciler/diff.spec.ts, or FILE=lab-repair.
.PHONY: test-one
test-one: node_modules/.installed
	@sh test/run-one.sh $(FILE)

# Lines, branches and functions that the unit specs reach (c8), and lines that the C tests reach (gcov).
.PHONY: coverage
coverage: build
	@deploy/install-tools.sh cc
	node_modules/.bin/c8 --reporter text-summary --reporter html --reports-dir .build/coverage --all=false \
	  --exclude 'test/**' --exclude '**/*.spec.ts' --exclude 'dist/test/**' \
	  node_modules/.bin/mocha $(UNIT_SPECS)
	@sh native/test/coverage.sh

# Plants small faults, one at a time, and prints those that no unit spec or C test notices: MUTANTS='daemon/metrics native/path'
# picks folders or files, SAMPLE how many of each folder, SEED which.
.PHONY: mutants
mutants: build
	@deploy/install-tools.sh cc
	@node dist/test/mutants/main.js --sample $(or $(SAMPLE),20) --seed $(or $(SEED),1) $(MUTANTS)

# Suites with a real etcd and a real kernel run in namespaces of their own and leave nothing on the machine. Everything but
# the benchmarks runs side by side; without times of an earlier run, in this order.
PHASES = $(addprefix make:,test-specs lint-c lint-types lint-format lint-vocabulary test-native test-arm64 test-fuzz)
LONG_SUITES = $(patsubst %,dist/test/%.spec.js,lab-host-network lab-doctor lab-etcd path-integrity path-wire cni-plugin)
ROOT_SUITES = $$(find dist/test/root -name '*.spec.js' | sort) make:test-path-kernel
test: test-tools bundle native/build/weft-oracle.node
	@root=; if [ "$$(id -u)" -eq 0 ]; then root="$(ROOT_SUITES)"; else \
	  echo 'The suites in test/root do not run: Docker engines and BPF need root; run make test-root as root'; fi; \
	TOOLS='$(TEST_TOOLS)' node dist/test/run-suites.js $(PHASES) $(LONG_SUITES) $$root \
	  $$(find dist/test -name '*.spec.js' -not -path '*/root/*' -not -path '*/kernel/*' -not -path '*/kubernetes/*' -not -path '*/boot/*' -not -path '*/fresh/*' -not -path '*/image/*' -not -path '*/page/*' -not -path '*/lint/*' -not -path '*/mutants/*' -not -name 'import*' -not -name 'suite-inputs*' | sort)
	@$(MAKE) --no-print-directory bench-check

# Suites that no user namespace is enough for.
test-root: test-tools bundle native/build/weft-oracle.node
	@if [ "$$(id -u)" -eq 0 ]; then TOOLS='$(TEST_TOOLS)' node dist/test/run-suites.js $(ROOT_SUITES); else \
	  echo 'The suites in test/root did not run: Docker engines and BPF need root; run make test-root as root'; fi

# What holds of the packet path's workers must hold when the kernel moves packets.
test-path-kernel: build
	@PATH_KERNEL=1 AS_ROOT=1 sh test/in-namespaces.sh node_modules/.bin/mocha --timeout 180000 --grep 'over IPv4' dist/test/path-router.spec.js

# The page of --metrics-port in Chromium. PAGE_SHOTS=FOLDER keeps pictures.
.PHONY: test-page
test-page: build
	@deploy/install-tools.sh chromium
	sh test/in-namespaces.sh node_modules/.bin/mocha --timeout 180000 'dist/test/page/*.spec.js'

# What is in the packages, and the package on a Debian of its own under a real systemd. The first time makes that Debian in .build/, which takes a minute.
BOOT_PACKAGES = systemd,systemd-sysv,dbus,iproute2,iputils-ping,nftables,iptables,procps
.PHONY: test-boot
test-boot: test-tools deb
	@if [ "$$(id -u)" -ne 0 ]; then echo 'test-boot needs root: a machine with systemd is booted in namespaces'; else \
	  deploy/install-tools.sh debootstrap && sh test/boot/debian-root.sh debian-12 $(BOOT_PACKAGES) && \
	  AS_ROOT=1 sh test/in-namespaces.sh node_modules/.bin/mocha --timeout 180000 'dist/test/boot/*.spec.js'; fi

# README and docs/how-to/install.md on a Debian that has only git and make: clones HEAD, and fetches from Debian and the npm registry.
.PHONY: test-fresh
test-fresh: build
	@if [ "$$(id -u)" -ne 0 ]; then echo 'test-fresh needs root: it makes a Debian and runs in it'; else \
	  deploy/install-tools.sh debootstrap unshare && sh test/boot/debian-root.sh debian-12-minimal git,make && \
	  node_modules/.bin/mocha --timeout 1200000 'dist/test/fresh/*.spec.js'; fi

# Suites on another kernel, in a virtual machine that needs no KVM: KERNEL=debian-12 or debian-12-backports, FILE='lab-repair
# kernel/lab-ipip' for some of them. Those of test/kernel/ run there alone. The first time fetches that kernel into .build/.
KERNEL ?= debian-12
KERNEL_SUITES = kernel/lab-matrix kernel/lab-clear-text kernel/lab-ipsec-tunnels kernel/lab-gre kernel/lab-ipip kernel/lab-udp-kernel \
  lab-wireguard lab-wireguard-migration lab-wireguard-doctor lab-ipsec lab-extension lab-missing-modules netlink-kernel \
  lab-cluster lab-repair lab-restart lab-takeover lab-firewall lab-ipv6 lab-userspace lab-migration root/path-filters root/path-decap root/path-kernel
.PHONY: test-kernel
test-kernel: test-tools bundle native/build/weft-oracle.node
	@deploy/install-tools.sh qemu-system-x86_64 depmod cpio busybox setpriv
	@sh test/kernel/fetch.sh $(KERNEL)
	@sh native/test/build-tools.sh
	@sh test/kernel/run.sh $(KERNEL) env AS_ROOT=1 TOOLS='$(TEST_TOOLS)' node dist/test/run-suites.js \
	  $(foreach suite,$(or $(FILE),$(KERNEL_SUITES)),dist/test/$(patsubst test/%,%,$(patsubst %.spec.ts,%,$(suite))).spec.js)

# The part of it that .ci/run runs: every backend on KERNEL. Needs root, as everything in the virtual machine is done as root.
.PHONY: test-kernel-core
test-kernel-core: test-tools bundle native/build/weft-oracle.node
	@if [ "$$(id -u)" -ne 0 ]; then echo 'NOT RUN: test-kernel-core needs root'; else \
	  deploy/install-tools.sh qemu-system-x86_64 depmod cpio busybox setpriv && sh test/kernel/fetch.sh $(KERNEL) && \
	  sh native/test/build-tools.sh && sh test/kernel/core.sh $(KERNEL); fi

# Suites against a real kube-apiserver, and the chart with a real helm; both are built from the Go module proxy the first time.
.PHONY: test-kube
test-kube: test-tools bundle
	@KUBE_APISERVER=$$(sh test/kubernetes/build.sh) && HELM=$$(sh test/kubernetes/build.sh helm) && export KUBE_APISERVER HELM && \
	  AS_ROOT=1 TOOLS='$(TEST_TOOLS)' node dist/test/run-suites.js dist/test/kubernetes/*.spec.js

# The same where Go is new enough and the module proxy answers. Elsewhere it prints why nothing ran, which is no failure.
.PHONY: test-kube-if-possible
test-kube-if-possible:
	@sh test/kubernetes/try-build.sh; case $$? in 0) $(MAKE) --no-print-directory test-kube ;; 75) ;; *) exit 1 ;; esac

# Runs specs; the programs of a cluster are in the folder of $KUBE_APISERVER.
KUBE_CLUSTER = KUBE_BIN=$${KUBE_APISERVER%/*} KUBE_APISERVER=$${KUBE_APISERVER%/*}/kube-apiserver WEFT_IMAGE=$$(ls dist/weft_*.oci.tar) AS_ROOT=1 \
	  sh test/kubernetes/e2e/run.sh sh test/in-namespaces.sh node_modules/.bin/mocha --timeout 180000

# weft.yaml on a cluster of two nodes in namespaces, with kubelet, containerd and pods for real; root only. KEEP_LOGS=1 keeps logs.
KUBE_PROGRAMS = kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl
.PHONY: test-kube-e2e
test-kube-e2e: test-tools image
	@if [ "$$(id -u)" -ne 0 ]; then echo 'test-kube-e2e needs root: kubelet and containerd run in namespaces'; else \
	  deploy/install-tools.sh containerd runc iptables nft busybox && \
	  for program in $(KUBE_PROGRAMS); do KUBE_APISERVER=$$(sh test/kubernetes/build.sh $$program) || exit 1; done && \
	  HELM=$$(sh test/kubernetes/build.sh helm) && \
	  HELM=$$HELM $(KUBE_CLUSTER) 'dist/test/kubernetes/e2e/*.spec.js'; fi

# Specs of Kubernetes' own conformance suite on such a cluster; root only. e2e.test is built the first time, which takes minutes.
.PHONY: test-kube-conformance
test-kube-conformance: test-tools image
	@if [ "$$(id -u)" -ne 0 ]; then echo 'test-kube-conformance needs root: kubelet and containerd run in namespaces'; else \
	  deploy/install-tools.sh containerd runc iptables nft busybox curl nc.openbsd && \
	  for program in $(KUBE_PROGRAMS) agnhost e2e.test; do KUBE_APISERVER=$$(sh test/kubernetes/build.sh $$program) || exit 1; done && \
	  timeout -k 30 1200 env $(KUBE_CLUSTER) 'dist/test/kubernetes/conformance/*.spec.js'; fi

# deploy/kubernetes/weft.yaml and rbac.yaml from the chart.
.PHONY: kube-manifests
kube-manifests:
	@HELM=$$(sh test/kubernetes/build.sh helm) && sh deploy/kubernetes/render.sh "$$HELM"

bench-tools:
	@deploy/install-tools.sh $(BENCH_TOOLS)

# BENCHMARKS='path cni' runs some, PARTS='…' as well; bin/weft bench --help lists them.
bench: bench-tools bundle
	bin/weft bench $(or $(BENCHMARKS),$(PARTS),all)

# Smoke test of half a minute; fails if a benchmark cannot run or weft is slower than fastd.
.PHONY: bench-check
bench-check: test-tools build
	bin/weft bench --plan check --out bench/out/check.json

# Two minutes; bin/weft bench compare compares it with an earlier one.
bench-short: bench-tools bundle
	bin/weft bench --plan short --out bench/out/short.json

# A quarter of an hour at most on an idle machine: docs/benchmarks/ gets the day's results, the report and the README's picture.
BENCH_DAY = docs/benchmarks/$(shell date -u +%F).json
bench-report: bench-tools bundle
	bin/weft bench --plan full --out $(BENCH_DAY); status=$$?; \
	  bin/weft bench report $(BENCH_DAY) -o docs/benchmarks/report.html --picture docs/benchmarks/picture.svg && exit $$status

# Two hours on an idle machine: every measure between containers; fills in the tables of the pages.
PATH_DAY = docs/benchmarks/path-$(shell date -u +%F).json
PATH_PAGES = README.md docs/benchmarks/README.md docs/explanation/packet-path.md
.PHONY: bench-path
bench-path: bench-tools bundle
	bin/weft bench --plan path --out $(PATH_DAY); status=$$?; \
	  bin/weft bench report $(PATH_DAY) -o docs/benchmarks/path.html --picture docs/benchmarks/picture.svg \
	    $(PATH_PAGES:%=--tables %) && exit $$status

# Manual page and completions, for packages.
man: build
	mkdir -p deploy/man deploy/completions
	bin/weft man >deploy/man/weft.1
	bin/weft completion bash >deploy/completions/weft.bash
	bin/weft completion zsh >deploy/completions/_weft
	bin/weft completion fish >deploy/completions/weft.fish

# Neither analysis runs twice for the same sources and tools, and prettier skips files that it has found right.
.PHONY: lint-c lint-types lint-format lint-vocabulary
lint: lint-c lint-types lint-format lint-vocabulary

lint-c: node_modules/.installed
	@deploy/install-tools.sh cc clang-format
	@sh test/unless-passed.sh 'gcc clang-format' '.clang-format native bench/micro node_modules/node-api-headers/include' sh native/lint.sh

TYPED = .oxlintrc.json tsconfig.json package.json node_modules/.package-lock.json api lib allocator backends daemon containers cli native lab bench test deploy bin
lint-types: node_modules/.installed
	@sh test/unless-passed.sh 'node node_modules/.bin/oxlint' '$(TYPED)' node_modules/.bin/oxlint --type-aware

lint-format: node_modules/.installed
	node_modules/.bin/prettier --check --log-level warn $(if $(CHECK_ALL),,--cache --cache-strategy content --cache-location .build/prettier) .

lint-vocabulary: dist/.built
	node dist/test/lint/vocabulary.js

format: node_modules/.installed
	node_modules/.bin/prettier --write --log-level warn .

# Property tests and random walks with many more cases than in `make test`, without time limits; then each C fuzzer for
# FUZZ_SECONDS, whatever the walks found.
fuzz: build native/build/weft-oracle.node
	@deploy/install-tools.sh libfuzzer
	@status=0; WALK_RUNS=$${WALK_RUNS:-2000} node_modules/.bin/mocha --timeout 0 --require ./dist/test/support/fuzz.js $(FUZZ_SPECS) || status=$$?; \
	  sh native/fuzz/run.sh $(FUZZ_SECONDS) || status=$$?; exit $$status

clean:
	rm -rf dist .build native/build native/prebuilds node_modules bench/out deploy/man deploy/completions
