/// The frame of a page that needs nothing else.
///
/// - Parameters:
///   - title: as text; it is escaped here.
///   - css: behind that of all pages.
///   - body: what stands inside of `main`.
func page(title: String, css: String? = nil, body: String) -> String {
  """
  <!DOCTYPE html>
  <html lang="en">
  <head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>\(escaped(title))</title>
  <style>
  \(PageStyle.css)
  \(css.map { $0 + "\n" } ?? "")</style>
  </head>
  <body>
  <main>
  \(body)
  </main>
  <div id="tip" hidden></div>
  <script>
  \(PageStyle.script)
  </script>
  </body>
  </html>

  """
}

/// A number in large, with what it is above and a note below.
func tile(_ title: String, _ value: String, _ note: String) -> String {
  """
  <div class="tile"><span>\(title)</span><strong>\(escaped(value))</strong>\
  <small>\(escaped(note))</small></div>
  """
}
