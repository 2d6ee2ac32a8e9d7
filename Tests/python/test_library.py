"""libapus.so as a file: what it exports, needs and weighs, and which instructions stand where."""

import re
import shutil
import subprocess

import locate
import models
import pytest
from compilers import run

LIBRARY = locate.library()
HEADER = (locate.REPOSITORY / "include/apus.h").read_text()


def tool(*command) -> str:
    return subprocess.run(
        [str(c) for c in command], check=True, capture_output=True, text=True
    ).stdout


# ---- The ABI


def test_exports_are_those_of_the_header():
    declared = set(re.findall(r"^APUS_API [^;]*?\b(apus_\w+)\(", HEADER, re.M | re.S))
    assert len(declared) > 25
    lines = tool("nm", "-D", "--defined-only", LIBRARY).split("\n")
    symbols = [line.split()[-1] for line in lines if line and not line.endswith(" A APUS_1")]
    assert {s for s in symbols if not s.endswith("@@APUS_1")} <= {"APUS_1"}
    assert {s.split("@@")[0] for s in symbols} - {"APUS_1"} == declared


def test_needs():
    dynamic = tool("readelf", "-d", LIBRARY)
    assert re.findall(r"SONAME.*\[(.*)\]", dynamic) == ["libapus.so.1"]
    allowed = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "ld-linux-x86-64.so.2"}
    assert set(re.findall(r"NEEDED.*\[(.*)\]", dynamic)) <= allowed
    assert "TEXTREL" not in dynamic
    # SwiftPM's own; it can find nothing but what lies beside the library.
    assert set(re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic)) <= {"$ORIGIN"}


def test_runs_on_glibc_2_28():
    versions = set(re.findall(r"\(?(GLIBC_[\w.]+)\)?", tool("objdump", "-T", LIBRARY)))
    assert versions
    for version in versions:
        number = tuple(int(part) for part in version.removeprefix("GLIBC_").split("."))
        assert number <= (2, 28), version


def test_hardening():
    """No executable stack, no writable code, symbols bound at load."""
    segments = tool("readelf", "-lW", LIBRARY)
    for line in segments.split("\n"):
        if line.strip().startswith(("LOAD", "GNU_STACK")):
            assert "RWE" not in line.replace(" ", ""), line
    assert "NOW" in tool("readelf", "-d", LIBRARY)


def test_size(tmp_path):
    stripped = tmp_path / "libapus.so"
    tool("strip", "--strip-unneeded", "-o", stripped, LIBRARY)
    size = stripped.stat().st_size
    print(f"libapus.so: {size} bytes stripped")
    assert size <= 1_200_000


# ---- Instructions

LEVELS = {
    "15KernelsBaseline": 0, "11KernelsAVX2": 1, "13KernelsAVX512": 2, "17KernelsAVX512VNNI": 3,
    "17KernelsAVX512BF16": 4, "17KernelsAVX512VBMI": 5,
    "kernels_fill_baseline": 0, "kernels_fill_avx2": 1, "kernels_fill_avx512": 2,
    "kernels_fill_avx512vnni": 3, "kernels_fill_bf16": 4,
    "kernels_fill_vbmi": 5,
}  # fmt: skip


def level_of_symbol(symbol: str) -> int:
    """The level that a function may use: that of its module, else the baseline's. A mangled name
    starts with the module's name and its length, so that AVX512 is no prefix of AVX512VNNI."""
    if symbol in LEVELS:
        return LEVELS[symbol]
    mangled = re.match(r"\$s(\d+)", symbol)
    if mangled:
        length = int(mangled[1]) if len(mangled[1]) < 3 else int(mangled[1][:2])
        head = f"{length}{symbol[2 + len(str(length)) :][:length]}"
        return LEVELS.get(head, 0)
    return 0


# What SSE2 does not have although its registers are the same, and integer instructions that came
# with AVX2's generation.
NEWER_SSE = re.compile(
    r"haddp[sd]|hsubp[sd]|addsubp[sd]|movddup|movs[hl]dup|lddqu|pshufb|palignr|pabs[bwd]|ph(add|sub)s?[wd]"
    r"|psign[bwd]|pmulhrsw|pmaddubsw|p?blendv?(p[sd]|[bw])|dpp[sd]|extractps|insertps|pinsr[bdq]"
    r"|pextr[bdq]|pm(ax|in)(sb|sd|ud|uw)|pmov[sz]x\w+|ptest|round[ps][sd]|mpsadbw|pcmpeqq|pcmpgtq"
    r"|packusdw|pmuldq|pmulld|phminposuw|movntdqa|crc32\w*|popcnt\w*|lzcnt\w*|movbe\w*"
    r"|pcmp[ei]str[im]|aes\w+|pclmul\w+"
)
BMI = re.compile(r"(andn|bextr|blsi|blsr|blsmsk|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx)[lq]?")
VNNI = re.compile(r"vpdp\w+")
BF16 = re.compile(r"vdpbf16ps|vcvtne2?ps2bf16")
VBMI = re.compile(r"vperm([it]2)?b|vpmultishiftqb")


def level_of_instruction(mnemonic: str, operands: str) -> int:
    """0: every x86-64 processor. 1: AVX2, FMA, BMI. 2: AVX-512. 3: its VNNI. 4: its BF16.
    5: its VBMI."""
    if VBMI.fullmatch(mnemonic):
        return 5
    if BF16.fullmatch(mnemonic):
        return 4
    if VNNI.fullmatch(mnemonic):
        return 3
    if "%zmm" in operands or re.search(r"%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])", operands):
        return 2
    if "%ymm" in operands or (mnemonic[0] == "v" and mnemonic not in ("verr", "verw")):
        return 1
    if BMI.fullmatch(mnemonic) or NEWER_SSE.fullmatch(mnemonic):
        return 1
    return 0


def test_instruction_levels():
    """The test's own eyes."""
    for text, level in [
        ("mulps %xmm1,%xmm0", 0), ("tzcnt %eax,%ecx", 0), ("vmulps %xmm1,%xmm0,%xmm0", 1),
        ("vaddps %ymm1,%ymm0,%ymm0", 1), ("shlx %eax,%ecx,%edx", 1), ("pshufb %xmm1,%xmm0", 1),
        ("roundps $0x1,%xmm1,%xmm0", 1), ("vaddps %zmm1,%zmm0,%zmm0", 2),
        ("vaddps %xmm17,%xmm0,%xmm0", 2), ("kmovw %eax,%k1", 2), ("vpdpbusd %zmm0,%zmm1,%zmm2", 3),
        ("vdpbf16ps %zmm0,%zmm1,%zmm2", 4), ("vpermi2b %zmm0,%zmm1,%zmm2", 5),
        ("vpermt2b %zmm0,%zmm1,%zmm2", 5), ("vpermb %zmm0,%zmm1,%zmm2", 5),
    ]:  # fmt: skip
        assert level_of_instruction(*text.split(" ", 1)) == level, text
    assert level_of_symbol("$s11KernelsAVX210mapSigmoid") == 1
    assert level_of_symbol("$s13KernelsAVX5124gemm") == 2
    assert level_of_symbol("$s17KernelsAVX512VNNI4gemm") == 3
    assert level_of_symbol("$s17KernelsAVX512BF164gemm") == 4
    assert level_of_symbol("$s17KernelsAVX512VBMI10byteLookup") == 5
    assert level_of_symbol("$s15KernelsBaseline4gemm") == 0
    assert level_of_symbol("$e7Runtime5ModelC") == 0
    assert level_of_symbol("$ss6SIMD16V") == 0


INSTRUCTION = re.compile(
    r"^ +[0-9a-f]+:\t((?:(?:lock|rep|repz|repnz|data16|bnd|cs|notrack) )*)(\S+)\s*(.*)$"
)


class Code:
    """A function in the disassembly."""

    def __init__(self, symbol):
        self.symbol = symbol
        self.level = 0  # the highest of its instructions
        self.example = ""


def disassemble(library):
    """The functions by address, and for each the addresses of those that name it."""
    functions, callers, code = {}, {}, None
    process = subprocess.Popen(
        ["objdump", "-d", "--no-show-raw-insn", str(library)], stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.endswith(">:\n"):
            address = int(line[: line.index(" ")], 16)
            code = functions[address] = Code(line[line.index("<") + 1 : -3])
            continue
        found = INSTRUCTION.match(line)
        if not found or found[2] == "(bad)":
            continue
        level = level_of_instruction(found[2], found[3])
        if level > code.level:
            code.level, code.example = level, line.strip()
        for target in re.findall(r"\b([0-9a-f]+) <[^>+]+>", found[3]):
            callers.setdefault(int(target, 16), set()).add(address)
    assert process.wait() == 0
    return functions, callers


def test_every_instruction_is_in_its_module():
    """Only a module's own functions use its instructions. A C function of CKernels' headers counts
    as the module's where it is private to an object file and the module alone calls it."""
    library = locate.unstripped_library()
    if library is None:
        pytest.skip("only the stripped library is here")
    functions, callers = disassemble(library)
    symbols = {}
    for line in tool("nm", library).split("\n"):
        if len(parts := line.split()) == 3:
            symbols.setdefault(int(parts[0], 16), set()).add(parts[1])

    def allowed(address):
        code = functions[address]
        own = level_of_symbol(code.symbol)
        if own or not code.symbol.startswith("apus_") or symbols.get(address) != {"t"}:
            return own
        levels = [level_of_symbol(functions[c].symbol) for c in callers.get(address, ())]
        return min(levels, default=0)

    wrong = [c for a, c in functions.items() if c.level > allowed(a)]
    assert not wrong, f"{len(wrong)}: {[(c.symbol, c.example) for c in wrong[:5]]}"
    # The library has all of the levels, or this test has seen nothing.
    assert len(functions) > 500
    assert {c.level for c in functions.values()} >= {0, 1, 2}


# ---- Beside another Swift runtime


@pytest.mark.skipif(not shutil.which("swiftc"), reason="there is no swiftc")
def test_in_a_process_with_the_swift_runtime(tmp_path):
    model = tmp_path / "net.apus"
    model.write_bytes(models.make("stack").to_bytes())
    (tmp_path / "libapus.so").symlink_to(LIBRARY.resolve())
    (tmp_path / "libapus.so.1").symlink_to(LIBRARY.resolve())
    program = tmp_path / "host"
    done = subprocess.run(
        ["swiftc", "-O", "-module-cache-path", str(tmp_path / "cache"),
         "-import-objc-header", str(locate.REPOSITORY / "include/apus.h"),
         str(locate.REPOSITORY / "Tests/swift-host/main.swift"), "-o", str(program),
         "-L", str(tmp_path), "-lapus", "-Xlinker", "-rpath", "-Xlinker", str(tmp_path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert run([program, model]) == "fine 512\n"


def test_one_version_everywhere():
    numbers = re.findall(r"^#define APUS_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", HEADER, re.M)
    version = ".".join(numbers)
    for file in ("bindings/python/pyproject.toml", "bindings/python/apus/__init__.py"):
        assert f'"{version}"' in (locate.REPOSITORY / file).read_text(), file
