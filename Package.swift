// swift-tools-version: 6.2
import PackageDescription

// The trait "Embedded" turns the runtime modules into Embedded Swift: that is how libapus.so is
// built (`make`). Without it the same targets build in ordinary Swift for model-convert and the
// tests. docs/decisions/001-two-modes-one-package.md says why.

let embedded: SwiftSetting = .enableExperimentalFeature("Embedded", .when(traits: ["Embedded"]))

/// Settings of every module that is part of libapus.
let runtimeSettings: [SwiftSetting] = [
  embedded,
  // One section a function, so that the linker can drop what libapus.so does not call.
  .unsafeFlags(["-Xfrontend", "-function-sections"]),
  // The time of a run is spent in the kernels, which have flags of their own.
  .unsafeFlags(["-Osize"], .when(traits: ["Embedded"])),
]

/// Nothing is ever thrown through the runtime; its unwind tables would be 2 % of libapus.so.
let withoutUnwindTables = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]

/// A kernel module holds nothing but kernels: it is always built in ordinary mode, optimised and
/// without the metadata and autolink entries that would drag runtime functions into its objects,
/// so that no function compiled for a newer instruction set can end up outside it.
func kernelModule(_ name: String, clangFlags: [String]) -> Target {
  .target(
    name: "Kernels" + name,
    dependencies: ["CKernels"],
    path: "Sources/Kernels/" + name,
    swiftSettings: [
      .unsafeFlags(
        [
          "-Ounchecked",
          "-Xfrontend", "-disable-all-autolinking",
          "-Xfrontend", "-disable-reflection-metadata",
          "-enforce-exclusivity=unchecked",
        ] + (clangFlags + withoutUnwindTables).flatMap { ["-Xcc", $0] })
    ])
}

let package = Package(
  name: "apus",
  products: [
    .library(name: "apus", type: .dynamic, targets: ["Apus"]),
    .executable(name: "model-convert", targets: ["ModelConvert"]),
  ],
  traits: [
    .trait(name: "Embedded", description: "Build the runtime as Embedded Swift, for libapus.so")
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    // The runtime: these make libapus.so.
    .systemLibrary(name: "CApus", path: "include"),
    .target(
      name: "CSystem",
      cSettings: [
        .define("APUS_EMBEDDED", .when(traits: ["Embedded"])), .unsafeFlags(withoutUnwindTables),
      ]),
    .target(name: "CKernels", cSettings: [.unsafeFlags(withoutUnwindTables)]),
    kernelModule("Baseline", clangFlags: []),
    kernelModule("AVX2", clangFlags: ["-march=x86-64-v3"]),
    kernelModule("AVX512", clangFlags: ["-march=x86-64-v4", "-mprefer-vector-width=512"]),
    kernelModule(
      "AVX512VNNI",
      clangFlags: ["-march=x86-64-v4", "-mavx512vnni", "-mprefer-vector-width=512"]),
    // Only kernels_fill_vbmi and kernels_fill_bf16, on top of the tables of the others.
    kernelModule("AVX512VBMI", clangFlags: ["-march=x86-64-v4", "-mavx512vbmi"]),
    kernelModule(
      "AVX512BF16",
      clangFlags: ["-march=x86-64-v4", "-mavx512bf16", "-mprefer-vector-width=512"]),
    .target(name: "ModelFormat", dependencies: ["CSystem"], swiftSettings: runtimeSettings),
    .target(
      name: "Operators",
      dependencies: ["ModelFormat", "CKernels", "CSystem"],
      swiftSettings: runtimeSettings),
    .target(
      name: "Runtime",
      dependencies: [
        "Operators", "ModelFormat", "CSystem", "CKernels", "KernelsBaseline", "KernelsAVX2",
        "KernelsAVX512", "KernelsAVX512VNNI", "KernelsAVX512VBMI", "KernelsAVX512BF16",
      ],
      swiftSettings: runtimeSettings),
    .target(
      name: "Apus",
      dependencies: ["CApus", "Runtime", "Operators", "ModelFormat", "CSystem"],
      swiftSettings: runtimeSettings,
      linkerSettings: [
        .unsafeFlags(
          [
            "-use-ld=lld", "-Xlinker", "--version-script=tools/abi/libapus.map",
            "-Xlinker", "-T", "-Xlinker", "tools/abi/discard.ld",
            "-Xlinker", "-soname=libapus.so.1",
            "-Xlinker", "--gc-sections", "-Xlinker", "--icf=all",
            "-Xlinker", "--wrap=posix_memalign", "-Xlinker", "--wrap=free",
            "-Xlinker", "--no-undefined",
            "-Xlinker", "-z", "-Xlinker", "now",
            // A thread's functions live in libpthread before glibc 2.34.
            "-Xlinker", "--no-as-needed", "-Xlinker", "-l:libpthread.so.0",
            "-Xlinker", "--as-needed", "-Xlinker", "-lm",
          ],
          .when(traits: ["Embedded"]))
      ]),

    // The tools: ordinary Swift only.
    .target(name: "Graph", dependencies: ["ModelFormat", "Operators", "Runtime", "CKernels"]),
    .target(name: "Zoo", dependencies: ["Graph"]),
    .systemLibrary(name: "COpenBLAS", path: "Sources/COpenBLAS"),
    .target(
      name: "CImage", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("jpeg")]),
    .systemLibrary(name: "CZlib", path: "Sources/CZlib"),
    .target(
      name: "COnnx", exclude: ["README.md", "onnx.proto"],
      linkerSettings: [.linkedLibrary("protobuf-c")]),
    .target(
      name: "ONNX", dependencies: ["COnnx", "Graph", "Runtime", "Operators", "ModelFormat"]),
    .target(name: "NumPyFile", dependencies: ["CZlib"]),
    .target(
      name: "Training",
      dependencies: [
        "Graph", "Zoo", "Quantization", "Runtime", "Operators", "ModelFormat", "COpenBLAS", "CImage",
        "NumPyFile",
        .product(name: "Yams", package: "Yams"),
      ]),
    .target(
      name: "Quantization", dependencies: ["Graph", "Runtime", "Operators", "ModelFormat"]),
    .executableTarget(
      name: "ModelConvert",
      dependencies: [
        "Graph", "Zoo", "Training", "Quantization", "ONNX", "Runtime", "Operators", "ModelFormat", "NumPyFile",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    // Built with sanitizers by `make test`: Tests/Robustness.
    .executableTarget(
      name: "FuzzModels", dependencies: ["ModelFormat", "Operators", "Runtime"],
      path: "Tests/Robustness/FuzzModels"),
    .target(name: "AllocationCount", path: "Tests/Robustness/AllocationCount"),
    .executableTarget(
      name: "FuzzONNX",
      dependencies: ["AllocationCount", "ONNX", "Graph", "Runtime", "Operators", "ModelFormat"],
      path: "Tests/Robustness/FuzzONNX"),
    .executableTarget(
      name: "StressThreads", dependencies: ["ModelFormat", "Runtime", "SessionValues"],
      path: "Tests/Robustness/StressThreads"),
    .executableTarget(
      name: "GuardTensors", dependencies: ["ModelFormat", "Runtime", "SessionValues"],
      path: "Tests/Robustness/GuardTensors"),
    .target(
      name: "SessionValues", dependencies: ["ModelFormat", "Runtime"],
      path: "Tests/Robustness/SessionValues"),

    .testTarget(name: "KernelTests", dependencies: ["Runtime", "CKernels"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Training", "Quantization", "Zoo", "Graph", "Runtime", "ModelFormat", "Operators",
      ], exclude: ["make_packed_sequences.py"]),
    .testTarget(
      name: "GraphTests",
      dependencies: ["Graph", "ModelFormat", "Runtime", "CKernels", "SessionValues"]),
    .testTarget(
      name: "NumPyFileTests", dependencies: ["NumPyFile"],
      exclude: ["Fixtures", "make_fixtures.py"]),
    .testTarget(
      name: "TrainingDataTests", dependencies: ["Training", "NumPyFile"],
      exclude: ["Fixtures", "make_fixtures.py"]),
    .testTarget(
      name: "OptimizerTests", dependencies: ["Training", "NumPyFile"],
      exclude: ["Fixtures", "make_fixtures.py"]),
    .testTarget(
      name: "SequenceTests", dependencies: ["Training", "Zoo", "Graph", "NumPyFile"],
      exclude: ["Fixtures", "make_fixtures.py"]),
    .testTarget(
      name: "DetectionTests", dependencies: ["Training", "Zoo", "Graph"],
      exclude: ["Fixtures", "make_fixtures.py"]),
    .testTarget(name: "RecipeTests", dependencies: ["Training", "NumPyFile"]),
  ],
  swiftLanguageModes: [.v5])
