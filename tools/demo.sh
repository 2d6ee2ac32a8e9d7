#!/bin/sh
# The main job, from the data to four programs that agree: `make demo`.
set -eu
mkdir -p build/demo
model=build/demo/lenet5.apus

echo "== training LeNet-5 on 1,797 real digits (recipes/lenet5.yaml)"
build/bin/model-convert train recipes/lenet5.yaml -o "$model" --report build/demo/lenet5.html

echo
echo "== what came out"
build/bin/model-convert inspect "$model" --html build/demo/inspect.html

echo
echo "== the same ten digits, read by four programs"
gcc -std=c99 -O2 -Wall -Wextra -Wpedantic -Iinclude examples/digits.c \
  -Lbuild/lib -lapus -lm -Wl,-rpath,"$PWD/build/lib" -o build/demo/digits_c
g++ -std=c++17 -O2 -Wall -Wextra -Wpedantic -Iinclude -Ibindings/cpp examples/digits.cpp \
  -Lbuild/lib -lapus -Wl,-rpath,"$PWD/build/lib" -o build/demo/digits_cpp
build/demo/digits_c "$model" data/digits.csv >build/demo/c.txt
build/demo/digits_cpp "$model" data/digits.csv >build/demo/cpp.txt
PYTHONPATH=build/python build/venv/bin/python examples/digits.py "$model" data/digits.csv \
  >build/demo/python.txt
build/venv/bin/python tools/demo_run.py "$model" data/digits.csv >build/demo/cli.txt

cat build/demo/c.txt
for language in cpp python cli; do
  if cmp -s build/demo/c.txt "build/demo/$language.txt"; then
    echo "$language: the same ten lines"
  else
    echo "demo: $language does not agree with C:" >&2
    diff build/demo/c.txt "build/demo/$language.txt" >&2 || true
    exit 1
  fi
done
echo
echo "pages to look at: build/demo/lenet5.html (training), build/demo/inspect.html (the network)"
