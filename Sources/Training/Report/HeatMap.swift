import Foundation

/// A matrix as squares, dark where its numbers are great: where a machine looks over time, what an
/// attention sees.
public struct HeatMap {
  /// Row by row, each from 0 (empty) to 1; all rows are of one length.
  public var rows: [[Float]]
  /// What stands along the two sides; names of single rows and columns, where there are any.
  public var rowTitle: String
  public var columnTitle: String
  public var rowNames: [String]
  public var columnNames: [String]
  /// What lies under the squares.
  public var picture: Picture?

  /// An image whose middle part is the grid's: its edges are so many squares from the grid's, inwards.
  public struct Picture {
    var png: [UInt8]
    var left, top, right, bottom: Double

    public init(
      _ image: Image, left: Double, top: Double, right: Double, bottom: Double
    ) throws {
      png = try image.png()
      (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
    }
  }

  public init(
    _ rows: [[Float]], rowTitle: String = "", columnTitle: String = "", rowNames: [String] = [],
    columnNames: [String] = []
  ) {
    self.rows = rows
    self.rowTitle = rowTitle
    self.columnTitle = columnTitle
    self.rowNames = rowNames
    self.columnNames = columnNames
  }

  public var svg: String {
    let columns = rows.first?.count ?? 0
    guard columns > 0 else { return "" }
    let longest = rowNames.map(\.count).max() ?? 0
    let left = 24.0 + 7.2 * Double(longest)
    let cell = max(2, min(22, (590 - left - 8) / Double(columns)))
    let top = columnNames.isEmpty ? 8.0 : 22.0
    let bottom = columnTitle.isEmpty ? 8.0 : 24.0
    // Squares, but for rows whose names would run into each other.
    let high = rowNames.isEmpty ? cell : max(cell, 15)
    let (gridWidth, gridHeight) = (cell * Double(columns), high * Double(rows.count))
    let (width, height) = (left + gridWidth + 8, top + gridHeight + bottom)
    var out =
      "<svg class=\"heat\" viewBox=\"0 0 \(f(width)) \(f(height))\" width=\"\(Int(width.rounded(.up)))\" "
      + "role=\"img\" aria-label=\"\(escape(rowTitle)) by \(escape(columnTitle))\">"
    out += "<rect class=\"none\" x=\"\(f(left))\" y=\"\(f(top))\" width=\"\(f(gridWidth))\" height=\"\(f(gridHeight))\"/>"
    if let picture {
      let (x, y) = (left + picture.left * cell, top + picture.top * high)
      let w = gridWidth - (picture.left + picture.right) * cell
      let h = gridHeight - (picture.top + picture.bottom) * high
      let bytes = Data(picture.png).base64EncodedString()
      out += "<image x=\"\(f(x))\" y=\"\(f(y))\" width=\"\(f(w))\" height=\"\(f(h))\" preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,\(bytes)\"/>"
    }
    // What lies under the squares shall shine through.
    let opacity: Float = picture == nil ? 1 : 0.6
    for (i, row) in rows.enumerated() {
      for (j, value) in row.enumerated() where value >= 0.02 {
        out += "<rect class=\"right\" x=\"\(f(left + Double(j) * cell))\" y=\"\(f(top + Double(i) * high))\" width=\"\(f(cell))\" height=\"\(f(high))\" style=\"fill-opacity:\(String(format: "%.2f", opacity * min(1, value)))\"/>"
      }
      if rowNames.indices.contains(i) {
        out += "<text class=\"name\" x=\"\(f(left - 6))\" y=\"\(f(top + (Double(i) + 0.5) * high + 4))\" text-anchor=\"end\">\(escape(rowNames[i]))</text>"
      }
    }
    for (j, name) in columnNames.enumerated() where j < columns {
      out += "<text class=\"name\" x=\"\(f(left + (Double(j) + 0.5) * cell))\" y=\"\(f(top - 7))\" text-anchor=\"middle\">\(escape(name))</text>"
    }
    if !rowTitle.isEmpty {
      out += "<text class=\"tick\" transform=\"translate(12 \(f(top + gridHeight / 2))) rotate(-90)\" text-anchor=\"middle\">\(escape(rowTitle))</text>"
    }
    if !columnTitle.isEmpty {
      out += "<text class=\"tick\" x=\"\(f(left + gridWidth / 2))\" y=\"\(f(height - 6))\" text-anchor=\"middle\">\(escape(columnTitle))</text>"
    }
    return out + "</svg>"
  }

  private func f(_ value: Double) -> String { String(format: "%.1f", value) }
}
