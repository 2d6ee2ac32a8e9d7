"""The runtimes that `make bench` compares.

Each module has a class `Loaded(folder, shapes, threads)`, which opens the network that the writers
left in `folder`, ready to run, with `feed(inputs)`, `run()` and `outputs()`; and `VERSION`. Each
takes the path with the fewest copies that its Python package offers: inputs lie where the runtime
reads them, outputs where it writes them. Arrays go in and come out in the network's own layout.
"""

# The names that --runtimes takes, and what reports call them.
TITLES = {
    "apus": "apus",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "ncnn": "ncnn",
    "mnn": "MNN",
    "litert": "LiteRT",
}
