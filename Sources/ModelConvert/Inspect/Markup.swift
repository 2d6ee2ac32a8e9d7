import Foundation

/// Text made safe to stand in HTML and in attributes; names come out of files that anybody wrote.
func escaped(_ text: String) -> String {
  var result = ""
  for c in text.unicodeScalars {
    switch c {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "'": result += "&#39;"
    case "\n": result += "\n"
    default: result += c.value < 32 || c.value == 127 ? "?" : String(c)
    }
  }
  return result
}

/// A coordinate: one decimal is enough.
func coordinate(_ value: Double) -> String {
  let text = String(format: "%.1f", value)
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

/// Cut to about `width` pixels at `perCharacter` pixels each.
func fitted(_ text: String, width: Double, perCharacter: Double) -> String {
  let room = Int(width / perCharacter)
  if text.count <= room { return text }
  return room < 3 ? "" : text.prefix(room - 1) + "…"
}
