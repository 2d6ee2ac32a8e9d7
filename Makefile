# make            the library, model-convert and the Python package, under build/
# make demo       the main job: train LeNet-5 on real digits, run it from C, C++, Python and the CLI
# make test       every test
# make export-check  every recipe for an epoch: libapus beside the trainer
# make zoo-quick  a reduced set of the zoo trained, each system to its bar
# make gallery    the pictures of recipes/README.md
# make conformance  ONNX's own operator tests, one table; its networks; random graphs
# make conformance-pytorch  torchvision's networks; PYTORCH=a Python that has torch
# make bench      whole networks beside five peers, in ratios: writes docs/performance.md
# make docs       the pages that are generated
# make install    PREFIX=/usr/local: header, library, apus.pc, CMake package, model-convert

PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build
VENV := $(BUILD)/venv
PYTHON := $(VENV)/bin/python
SWIFT := swift
CC := gcc
CXX := g++
# The random graphs of `make conformance`: 0 up to 2000.
SEEDS ?= 0 2000
# Random mutations of model files that `make test` tries.
FUZZ_COUNT ?= 200000
# Of ONNX files; 200000 take a quarter of an hour.
FUZZ_ONNX_COUNT ?= 12000
SOURCES := $(shell find Sources include tools/abi -type f -o -type l) Package.swift
LIBRARY := $(BUILD)/lib/libapus.so
CLI := $(BUILD)/bin/model-convert
PYTHON_PACKAGE := $(BUILD)/python/apus/libapus.so

.PHONY: all demo test export-check zoo-quick gallery robustness conformance conformance-pytorch bench docs install clean dependencies venv
.SUFFIXES:

all: $(LIBRARY) $(CLI) $(PYTHON_PACKAGE)

# ---- What the machine needs ---------------------------------------------------------------------

$(BUILD)/dependencies: tools/dependencies.sh
	@mkdir -p $(BUILD)
	sh tools/dependencies.sh
	@touch $@

dependencies: $(BUILD)/dependencies

$(VENV)/done: Tests/requirements.txt $(BUILD)/dependencies
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r Tests/requirements.txt
	@touch $@

venv: $(VENV)/done

# ---- Build --------------------------------------------------------------------------------------

$(LIBRARY): $(SOURCES) | $(BUILD)/dependencies
	$(SWIFT) build -c release --product apus --traits Embedded --scratch-path .build/embedded
	@mkdir -p $(BUILD)/lib/unstripped
	cp .build/embedded/release/libapus.so $(BUILD)/lib/unstripped/libapus.so
	strip --strip-unneeded -o $@ $(BUILD)/lib/unstripped/libapus.so
	ln -sf libapus.so $(BUILD)/lib/libapus.so.1

$(CLI): $(SOURCES) | $(BUILD)/dependencies
	$(SWIFT) build -c release --product model-convert
	@mkdir -p $(BUILD)/bin
	cp .build/release/model-convert $@

$(PYTHON_PACKAGE): $(LIBRARY) $(wildcard bindings/python/apus/*.py)
	@mkdir -p $(BUILD)/python/apus
	cp bindings/python/apus/*.py bindings/python/apus/py.typed $(BUILD)/python/apus/
	cp $(LIBRARY) $@

# ---- Main job -----------------------------------------------------------------------------------

demo: all $(VENV)/done
	sh tools/demo.sh

# ---- Tests --------------------------------------------------------------------------------------

test: all $(VENV)/done robustness
	$(SWIFT) test -c release
	rm -rf $(BUILD)/models
	$(PYTHON) -m pytest -q Tests/python --keep-models $(BUILD)/models
	$(call guarded,$(BUILD)/models)
	$(MAKE) zoo-quick

# Every recipe, trained for an epoch: what libapus computes beside what the trainer does; ONLY="xor lenet5" takes some.
export-check: all
	python3 tools/zoo/export_check.py $(ONLY)

# Trains a reduced set of the zoo, every family, two at a time; ONLY="xor lenet5" takes some.
zoo-quick: all $(VENV)/done
	$(PYTHON) tools/zoo/quick.py $(ONLY)

# The pictures of recipes/README.md, made anew; ONLY="alignment" takes some.
gallery: all
	python3 tools/zoo/gallery.py $(ONLY)

# Every model of a folder with forbidden memory around each of its tensors.
guarded = SWIFT_BACKTRACE=enable=no .build/address/release/GuardTensors $(1) 0 2 & \
  SWIFT_BACKTRACE=enable=no .build/address/release/GuardTensors $(1) 1 2 && wait $$!

# Damaged files under AddressSanitizer, sessions in many threads under ThreadSanitizer and with
# interruptions everywhere.
robustness: all $(VENV)/done
	$(SWIFT) build -c release --sanitize=address --product FuzzModels --scratch-path .build/address
	$(SWIFT) build -c release --sanitize=address --product FuzzONNX --scratch-path .build/address
	$(SWIFT) build -c release --sanitize=address --product GuardTensors --scratch-path .build/address
	$(SWIFT) build -c release --sanitize=thread -Xcc -DAPUS_STALLS --product StressThreads \
	  --scratch-path .build/thread
	rm -rf $(BUILD)/fuzz $(BUILD)/fuzz-onnx
	$(PYTHON) Tests/python/make_fuzz_seeds.py $(BUILD)/fuzz
	$(PYTHON) Tests/python/make_onnx_fuzz_seeds.py $(BUILD)/fuzz-onnx
	$(call guarded,$(BUILD)/fuzz)
	$(call guarded,$(BUILD)/fuzz/large)
	SWIFT_BACKTRACE=enable=no .build/address/release/FuzzModels $(BUILD)/fuzz $(FUZZ_COUNT) 1 0 2 & \
	  SWIFT_BACKTRACE=enable=no .build/address/release/FuzzModels $(BUILD)/fuzz $(FUZZ_COUNT) 1 1 2 \
	  && wait $$!
	SWIFT_BACKTRACE=enable=no .build/address/release/FuzzONNX $(BUILD)/fuzz-onnx $(FUZZ_ONNX_COUNT) 1 0 2 & \
	  SWIFT_BACKTRACE=enable=no .build/address/release/FuzzONNX $(BUILD)/fuzz-onnx $(FUZZ_ONNX_COUNT) 1 1 2 \
	  && wait $$!
	SWIFT_BACKTRACE=enable=no .build/thread/release/StressThreads 50 \
	  $(BUILD)/fuzz/general.apus $(BUILD)/fuzz/late.apus $(BUILD)/fuzz/channel-blocks.apus \
	  $(BUILD)/fuzz/lenet.apus $(BUILD)/fuzz/char-rnn.apus
	SWIFT_BACKTRACE=enable=no .build/thread/release/StressThreads 1 $(BUILD)/fuzz/large/*.apus

# The node tests of the onnx package, one table by operator (ONLY="--only Conv" takes some), its
# nine networks, and random graphs.
conformance: all $(VENV)/done
	$(PYTHON) tools/conformance/run.py $(ONLY)
	$(PYTHON) tools/conformance/light.py
	$(PYTHON) tools/conformance/zoo.py
	$(PYTHON) tools/conformance/random_graphs.py $(SEEDS)

# Networks as PyTorch exports them. Needs torch, torchvision and onnxscript in PYTORCH's environment.
PYTORCH ?= python3
conformance-pytorch: all
	$(PYTORCH) tools/conformance/pytorch_networks.py

# Takes half an hour on two idle cores. BENCH="--models lenet,resnet-18 --quick" runs some of it,
# BENCH="--precision int8" the networks in int8;
# `build/venv/bin/python tools/bench/operators.py` times single layers.
BENCH ?=
bench: all $(BUILD)/bench-venv/done
	$(BUILD)/bench-venv/bin/python tools/bench/run.py $(BENCH)

$(BUILD)/bench-venv/done: tools/bench/requirements.txt $(BUILD)/dependencies
	python3 -m venv $(BUILD)/bench-venv
	$(BUILD)/bench-venv/bin/pip install --quiet --disable-pip-version-check -r tools/bench/requirements.txt
	@touch $@

# Figures go from docs/results.md into the list of `model-convert zoo` and the gallery's table.
docs: $(CLI)
	$(CLI) operators --markdown > docs/operators.md
	python3 tools/zoo/results_page.py
	python3 tools/zoo/gallery.py --table

# ---- Install ------------------------------------------------------------------------------------

# The installed program carries the Swift runtime along, so that it runs where no toolchain is.
$(BUILD)/bin/static/model-convert: $(SOURCES) | $(BUILD)/dependencies
	$(SWIFT) build -c release --product model-convert --static-swift-stdlib \
	  --scratch-path .build/static
	@mkdir -p $(BUILD)/bin/static
	strip -o $@ .build/static/release/model-convert

install: $(LIBRARY) $(BUILD)/bin/static/model-convert
	sh tools/install.sh "$(DESTDIR)" "$(PREFIX)"

clean:
	rm -rf $(BUILD) .build
