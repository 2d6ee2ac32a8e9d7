import CSystem

// Copying itself. Nothing here allocates, and nothing is checked: `StridedCopy.init` was given
// shapes that the operators have checked.

extension StridedCopy {
  func run(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
    var d = 0
    while d < rank {
      if counts[d] == 0 { return }
      d &+= 1
    }
    // The dimensions outside the innermost ones, counted like the digits of an odometer.
    let outer = method == .elements ? rank &- 1 : max(0, rank &- 2)
    var index = InlineArray<8, Int>(repeating: 0)
    var s = source + sourceOffset
    var t = target + targetOffset
    while true {
      copyInner(s, t)
      var d = outer &- 1
      while d >= 0 {
        index[d] &+= 1
        if index[d] < counts[d] {
          s += sourceStrides[d]
          t += targetStrides[d]
          break
        }
        s -= sourceStrides[d] &* (counts[d] &- 1)
        t -= targetStrides[d] &* (counts[d] &- 1)
        index[d] = 0
        d &-= 1
      }
      if d < 0 { return }
    }
  }

  @inline(__always)
  private func copyInner(_ s: UnsafeRawPointer, _ t: UnsafeMutableRawPointer) {
    let last = rank &- 1
    switch method {
    case .runs:
      let bytes = counts[last] &* elementSize
      let rows = rank > 1 ? counts[last &- 1] : 1
      let sourceStride = rank > 1 ? sourceStrides[last &- 1] : 0
      let targetStride = rank > 1 ? targetStrides[last &- 1] : 0
      var s = s
      var t = t
      var row = 0
      while row < rows {
        copyRun(s, t, bytes)
        s += sourceStride
        t += targetStride
        row &+= 1
      }
    case .transposed:
      let rows = counts[last &- 1]
      let columns = counts[last]
      let sourceStride = sourceStrides[last]
      let targetStride = targetStrides[last &- 1]
      switch elementSize {
      case 1: transpose(s, sourceStride, t, targetStride, rows, columns, UInt8.self)
      case 2: transpose(s, sourceStride, t, targetStride, rows, columns, UInt16.self)
      case 4: transpose32(s, sourceStride, t, targetStride, rows, columns)
      default: transpose(s, sourceStride, t, targetStride, rows, columns, UInt64.self)
      }
    case .elements:
      switch elementSize {
      case 1: copyElements(s, t, UInt8.self)
      case 2: copyElements(s, t, UInt16.self)
      case 4: copyElements(s, t, UInt32.self)
      case 8: copyElements(s, t, UInt64.self)
      default: copyElements(s, t, SIMD2<UInt64>.self)
      }
    }
  }

  @inline(__always)
  private func copyElements<T: BitwiseCopyable>(
    _ s: UnsafeRawPointer, _ t: UnsafeMutableRawPointer, _ type: T.Type
  ) {
    let n = counts[rank &- 1]
    let sourceStride = sourceStrides[rank &- 1]
    let targetStride = targetStrides[rank &- 1]
    var s = s
    var t = t
    var i = 0
    if sourceStride == 0 && targetStride == MemoryLayout<T>.size {
      let value = s.loadUnaligned(as: T.self)
      while i < n {
        (t + i &* MemoryLayout<T>.size).storeBytes(of: value, as: T.self)
        i &+= 1
      }
      return
    }
    while i < n {
      t.storeBytes(of: s.loadUnaligned(as: T.self), as: T.self)
      s += sourceStride
      t += targetStride
      i &+= 1
    }
  }
}

/// memcpy; a short run is not worth the call.
@inline(__always)
private func copyRun(_ s: UnsafeRawPointer, _ t: UnsafeMutableRawPointer, _ bytes: Int) {
  if bytes > 64 || bytes < 8 {
    memcpy(t, s, bytes)
    return
  }
  var i = 0
  while i < bytes &- 8 {
    (t + i).storeBytes(of: (s + i).loadUnaligned(as: UInt64.self), as: UInt64.self)
    i &+= 8
  }
  // The last eight bytes overlap those before them.
  i = bytes &- 8
  (t + i).storeBytes(of: (s + i).loadUnaligned(as: UInt64.self), as: UInt64.self)
}

/// target[r, c] = source[c, r] for r < rows, c < columns: `source` has rows of `sourceStride`
/// bytes, `target` of `targetStride`. In squares of 16, so that the lines of both stay in the
/// first-level cache.
@inline(__always)
private func transpose<T: BitwiseCopyable>(
  _ source: UnsafeRawPointer, _ sourceStride: Int, _ target: UnsafeMutableRawPointer,
  _ targetStride: Int, _ rows: Int, _ columns: Int, _ type: T.Type
) {
  let size = MemoryLayout<T>.size
  var r0 = 0
  while r0 < rows {
    let r1 = min(r0 &+ 16, rows)
    var c0 = 0
    while c0 < columns {
      let c1 = min(c0 &+ 16, columns)
      var r = r0
      while r < r1 {
        var s = source + (c0 &* sourceStride &+ r &* size)
        let t = target + r &* targetStride
        var c = c0
        while c < c1 {
          (t + c &* size).storeBytes(of: s.loadUnaligned(as: T.self), as: T.self)
          s += sourceStride
          c &+= 1
        }
        r &+= 1
      }
      c0 = c1
    }
    r0 = r1
  }
}

/// As `transpose`, for elements of four bytes: squares of 4 × 4 in registers.
private func transpose32(
  _ source: UnsafeRawPointer, _ sourceStride: Int, _ target: UnsafeMutableRawPointer,
  _ targetStride: Int, _ rows: Int, _ columns: Int
) {
  let fullRows = rows & ~3
  let fullColumns = columns & ~3
  var r0 = 0
  while r0 < fullRows {
    let r1 = min(r0 &+ 16, fullRows)
    var c = 0
    while c < fullColumns {
      var r = r0
      while r < r1 {
        transposeSquare(
          source + (c &* sourceStride &+ r &* 4), sourceStride,
          target + (r &* targetStride &+ c &* 4), targetStride)
        r &+= 4
      }
      c &+= 4
    }
    r0 = r1
  }
  if fullColumns < columns {
    transpose(
      source + fullColumns &* sourceStride, sourceStride, target + fullColumns &* 4, targetStride,
      rows, columns &- fullColumns, UInt32.self)
  }
  if fullRows < rows {
    transpose(
      source + fullRows &* 4, sourceStride, target + fullRows &* targetStride, targetStride,
      rows &- fullRows, fullColumns, UInt32.self)
  }
}

@inline(__always)
private func transposeSquare(
  _ s: UnsafeRawPointer, _ sourceStride: Int, _ t: UnsafeMutableRawPointer, _ targetStride: Int
) {
  let a = s.loadUnaligned(as: SIMD4<UInt32>.self)
  let b = (s + sourceStride).loadUnaligned(as: SIMD4<UInt32>.self)
  let c = (s + 2 &* sourceStride).loadUnaligned(as: SIMD4<UInt32>.self)
  let d = (s + 3 &* sourceStride).loadUnaligned(as: SIMD4<UInt32>.self)
  t.storeBytes(of: SIMD4(a[0], b[0], c[0], d[0]), as: SIMD4<UInt32>.self)
  (t + targetStride).storeBytes(of: SIMD4(a[1], b[1], c[1], d[1]), as: SIMD4<UInt32>.self)
  (t + 2 &* targetStride).storeBytes(of: SIMD4(a[2], b[2], c[2], d[2]), as: SIMD4<UInt32>.self)
  (t + 3 &* targetStride).storeBytes(of: SIMD4(a[3], b[3], c[3], d[3]), as: SIMD4<UInt32>.self)
}
