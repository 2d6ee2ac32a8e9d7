import CKernels
import ModelFormat

/// Runs the passes of a convolution over all batch items and groups.
///
/// The unit of work is a tile of output columns with all its rows; where there are few tiles, with
/// a part of its rows.
final class ConvolutionStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let passes: [ConvolutionPass]
  private let items: Int
  private let groups: Int
  /// Rows of a unit, a multiple of the panel's rows, and units that all rows of a tile make.
  private let rowsOfUnit: Int
  private let rowUnits: Int
  /// Units of one item and pass, by pass.
  private let tiles: [Int]
  private let unitsOfItem: Int
  private let inputStride: Int
  private let outputCount: Int
  private let x: Slot
  private let packed: (slot: Slot, groupStride: Int)
  private let bias: Slot?
  private let y: Slot

  /// - Parameters:
  ///   - channels: input channels of a group.
  ///   - inputCount, outputCount: elements of a plane.
  init(
    _ kernels: UnsafePointer<apus_kernels>, _ passes: [ConvolutionPass], batch: Int, groups: Int,
    channels: Int, inputCount: Int, outputCount: Int, threads: Int, x: Slot,
    packed: (slot: Slot, groupStride: Int), bias: Slot?, y: Slot
  ) {
    self.kernels = kernels
    self.passes = passes
    self.groups = groups
    items = batch * groups
    inputStride = channels * inputCount
    self.outputCount = outputCount
    self.x = x
    self.packed = packed
    self.bias = bias
    self.y = y
    var tiles: [Int] = []
    var total = 0
    for pass in passes {
      tiles.append(pass.tiles(kernels))
      total += tiles[tiles.count - 1]
    }
    let rows = passes.isEmpty ? 0 : passes[0].rows
    let panelRows = kernels.pointee.convolution_rows
    let panels = (rows + panelRows - 1) / panelRows
    let wanted = items * total >= 4 * threads ? 1 : min(panels, threads)
    let panelsOfUnit = wanted > 0 ? (panels + wanted - 1) / wanted : 1
    rowsOfUnit = max(1, panelsOfUnit * panelRows)
    rowUnits = (rows + rowsOfUnit - 1) / rowsOfUnit
    self.tiles = tiles
    unitsOfItem = total * rowUnits
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: items * unitsOfItem)
    var unit = part.lowerBound
    while unit < part.upperBound {
      let item = unit / unitsOfItem
      var local = unit - item * unitsOfItem
      var pass = 0
      while local >= tiles[pass] * rowUnits {
        local -= tiles[pass] * rowUnits
        pass += 1
      }
      let rowUnit = local / tiles[pass]
      let firstTile = local - rowUnit * tiles[pass]
      let endTile = min(tiles[pass], firstTile + part.upperBound - unit)
      run(memory, item, passes[pass], row: rowUnit * rowsOfUnit, firstTile, endTile)
      unit += endTile - firstTile
    }
  }

  private func run(
    _ memory: Memory, _ item: Int, _ pass: ConvolutionPass, row: Int, _ firstTile: Int,
    _ endTile: Int
  ) {
    let group = item % groups
    var descriptor = pass.descriptor
    let firstRow = group * descriptor.rows + row
    let weights =
      memory.floats(packed.slot)
      + (group * packed.groupStride + pass.packedOffset + row * pass.depth)
    let target =
      memory.mutableFloats(y)
      + ((item * descriptor.rows + row) * outputCount + pass.outputOffset)
    descriptor.rows = min(rowsOfUnit, descriptor.rows - row)
    let biasRow = bias.map { memory.floats($0) + firstRow }
    kernels.pointee.convolve(
      &descriptor, memory.floats(x) + item * inputStride, weights, biasRow, target, firstTile,
      endTile)
  }
}
