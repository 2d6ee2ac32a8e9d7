import Foundation
import ModelFormat
import Runtime

/// Memory that AddressSanitizer forbids.
final class Guards {
  private typealias Mark = @convention(c) (UnsafeRawPointer, Int) -> Void
  private let forbid: Mark
  private let allow: Mark

  /// What is being run: printed where the process ends in a report.
  var model = "" { didSet { Guards.current = strdup(model) } }
  nonisolated(unsafe) private static var current: UnsafeMutablePointer<CChar>? {
    didSet { free(oldValue) }
  }

  /// At least as wide as the widest load that begins in a buffer's last byte.
  private static let gap = 256

  /// nil where the program is built without the sanitizer.
  init?() {
    let program = dlopen(nil, RTLD_NOW)
    guard let forbid = dlsym(program, "__asan_poison_memory_region"),
      let allow = dlsym(program, "__asan_unpoison_memory_region"),
      let onDeath = dlsym(program, "__sanitizer_set_death_callback")
    else { return nil }
    self.forbid = unsafeBitCast(forbid, to: Mark.self)
    self.allow = unsafeBitCast(allow, to: Mark.self)
    typealias Callback = @convention(c) () -> Void
    let setDeathCallback = unsafeBitCast(
      onDeath, to: (@convention(c) (Callback) -> Void).self)
    setDeathCallback {
      guard let name = Guards.current else { return }
      _ = write(2, name, strlen(name))
      _ = write(2, "\n", 1)
    }
  }

  /// Runs `body` on a session of the plan in which nothing but its tensors, weights and scratch may
  /// be touched.
  func run<Result>(_ plan: Plan, _ body: (Session) -> Result) throws -> Result {
    plan.separateBuffers(gap: Guards.gap)
    var copies: [UnsafeMutableRawPointer] = []
    defer { for copy in copies { copy.deallocate() } }
    plan.replaceConstants { constant, byteCount in
      let copy = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
      copy.copyMemory(from: constant, byteCount: byteCount)
      copies.append(copy)
      return UnsafeRawPointer(copy)
    }
    let arena = UnsafeMutableRawPointer.allocate(byteCount: plan.arenaSize, alignment: 64)
    defer {
      allow(arena, plan.arenaSize)
      arena.deallocate()
    }
    let session = try Session(plan, arena: arena, arenaSize: plan.arenaSize)
    var end = 0
    for buffer in plan.buffers {
      forbid(arena + end, buffer.offset - end)
      end = buffer.offset + buffer.byteCount
    }
    forbid(arena + end, plan.arenaSize - end)
    return body(session)
  }
}
