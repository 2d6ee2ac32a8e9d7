/// The page's style and its few lines of script.
enum PageStyle {
  static let css = """
    :root { color-scheme: light dark;
      --page: #f5f5f2; --card: #ffffff; --ink: #1d2024; --dim: #6d737b; --rule: #e4e4df;
      --edge: #a9aeb5; --boxline: #d3d5d6; --hot: #fff3cf; --hotline: #c98a00; --bound: #c2410c;
      --input: #9cc3f2; --output: #a5d9a7; --state: #e7b4e4; --tensor: #c9d3de; --scratch: #f1d595;
      --convolution: #2f6fd0; --matrix: #6d4ad1; --recurrent: #b5379f; --pooling: #0e8a8a;
      --normalization: #b27a00; --activation: #2e8b45; --arithmetic: #c4552d; --movement: #808891; }
    @media (prefers-color-scheme: dark) { :root {
      --page: #121417; --card: #1a1d21; --ink: #e7e9ec; --dim: #959da7; --rule: #2b2f35;
      --edge: #5d656f; --boxline: #3a4048; --hot: #3d3417; --hotline: #e5b53f; --bound: #fb923c;
      --input: #2c5a92; --output: #2c6b37; --state: #7a3f78; --tensor: #3f4a57; --scratch: #725a1c;
      --convolution: #6ba3f5; --matrix: #a78bfa; --recurrent: #e879d0; --pooling: #3fc1c1;
      --normalization: #e0ac3a; --activation: #63c47b; --arithmetic: #f08a63; --movement: #8d96a1; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink);
      font: 14px/1.45 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
    main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 48px; }
    header h1 { margin: 0; font-size: 26px; font-weight: 650; letter-spacing: -0.01em; }
    header p { margin: 4px 0 20px; color: var(--dim); white-space: pre-wrap; }
    header b { color: var(--ink); font-weight: 600; }
    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
      margin-bottom: 16px; }
    .tile, .card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
    .tile { padding: 12px 16px; display: flex; flex-direction: column; }
    .tile span { color: var(--dim); font-size: 12.5px; }
    .tile strong { font-size: 22px; font-weight: 650; letter-spacing: -0.01em; }
    .tile small { color: var(--dim); font-size: 12px; }
    .card { padding: 16px 20px 18px; margin-bottom: 16px; min-width: 0; }
    .cardhead { display: flex; justify-content: space-between; align-items: baseline; }
    h2 { font-size: 16px; font-weight: 650; margin: 0 0 8px; }
    h3 { font-size: 14px; font-weight: 600; margin: 10px 0 2px; }
    h3 small { color: var(--dim); font-weight: 400; margin-left: 6px; }
    .note { color: var(--dim); font-size: 12.5px; margin: 0 0 8px; }
    table + .note, .scroll + .note { margin: 10px 0 0; }
    .columns { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 16px;
      align-items: start; }
    .columns .graphcard { max-width: 562px; }
    .scroll { overflow-x: auto; }
    svg { display: block; } svg.arena { width: 100%; height: auto; } svg.graph { margin: 0 auto; }
    svg.fits { max-width: 100%; height: auto; }
    svg text { font-family: inherit; fill: var(--ink); }
    table { border-collapse: collapse; width: 100%; font-size: 13px; }
    table.narrow { max-width: 460px; }
    th { text-align: left; font-weight: 500; color: var(--dim); font-size: 12px; white-space: nowrap;
      padding: 4px 8px; border-bottom: 1px solid var(--rule); }
    td { padding: 4px 8px; border-bottom: 1px solid var(--rule); vertical-align: baseline; }
    tbody tr:last-child td { border-bottom: 0; }
    tfoot td { border-top: 1px solid var(--edge); border-bottom: 0; font-weight: 600; }
    td:first-child, th:first-child { padding-left: 4px; }
    .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
    .dim { color: var(--dim); }
    td small { color: var(--dim); margin-left: 7px; font-size: 12px; white-space: nowrap; }
    .shape { font-variant-numeric: tabular-nums; white-space: nowrap; }
    .bar { position: relative; min-width: 84px; }
    .bar i { position: absolute; left: 8px; bottom: 2px; height: 2px; max-width: calc(100% - 16px);
      background: var(--convolution); border-radius: 1px; opacity: .75; }
    .dot { display: inline-block; width: 8px; height: 8px; border-radius: 3px; margin-right: 7px; }
    .stackbar { display: flex; gap: 2px; height: 16px; margin: 2px 0 12px; }
    .stackbar i { border-radius: 2px; min-width: 2px; }
    .sw { background: var(--convolution); } .s0 { background: var(--recurrent); }
    .s1 { background: var(--pooling); } .s2 { background: var(--normalization); }
    .s3 { background: var(--matrix); } .s4 { background: var(--activation); }
    .s5 { background: var(--arithmetic); }
    .legend { display: flex; gap: 12px; }
    .key { font-size: 12px; color: var(--dim); white-space: nowrap; }
    .key::before { content: ""; display: inline-block; width: 10px; height: 10px; border-radius: 3px;
      margin-right: 5px; background: var(--c); vertical-align: -1px; }
    .input { --c: var(--input); } .output { --c: var(--output); } .state { --c: var(--state); }
    .tensor { --c: var(--tensor); } .scratch { --c: var(--scratch); }
    .convolution { --c: var(--convolution); } .matrix { --c: var(--matrix); }
    .recurrent { --c: var(--recurrent); } .pooling { --c: var(--pooling); }
    .normalization { --c: var(--normalization); } .activation { --c: var(--activation); }
    .arithmetic { --c: var(--arithmetic); } .movement { --c: var(--movement); }
    .dot.convolution, .dot.matrix, .dot.recurrent, .dot.pooling, .dot.normalization,
    .dot.activation, .dot.arithmetic, .dot.movement { background: var(--c); }
    .box .body { fill: var(--card); stroke: var(--boxline); }
    .box .accent { fill: var(--c); }
    .box.terminal .body { fill: var(--c); stroke: none; }
    .box .title { font-size: 12.5px; font-weight: 600; }
    .box .detail { font-size: 10.5px; fill: var(--dim); }
    .box.terminal .detail { fill: var(--ink); opacity: .8; }
    .edge { fill: none; stroke: var(--edge); stroke-width: 1.4; }
    .edge.dashed { stroke-dasharray: 4 3; } .arrowhead { fill: var(--edge); }
    .buffer rect { fill: var(--c); } .buffer .name { font-size: 11.5px; font-weight: 500; }
    .buffer .size { font-size: 10.5px; opacity: .75; } .buffer text { pointer-events: none; }
    .grid { stroke: var(--rule); } .tick { font-size: 11px; fill: var(--dim) !important; }
    .arena-line { stroke: var(--dim); stroke-width: 1.2; }
    .bound-line { stroke: var(--bound); stroke-width: 1.6; stroke-dasharray: 6 4; }
    .bound-lead { stroke: var(--bound); fill: none; opacity: .5; }
    .mark { font-size: 12px; font-weight: 600; } .mark.bound { fill: var(--bound); }
    .mark.value { font-weight: 400; fill: var(--dim); }
    .hot .body, .hot.buffer rect { fill: var(--hot); stroke: var(--hotline); stroke-width: 1.5; }
    tr.hot td { background: var(--hot); } .tick.hot { fill: var(--hotline) !important; }
    #tip { position: fixed; pointer-events: none; background: var(--ink); color: var(--page);
      font-size: 12px; padding: 6px 10px; border-radius: 6px; white-space: pre-line; z-index: 9;
      max-width: 380px; font-variant-numeric: tabular-nums; }
    @media (max-width: 1000px) { .columns { grid-template-columns: minmax(0, 1fr); } }
    """

  /// Tooltips at the pointer, and the same layer lit up in the graph, the table and the arena.
  /// Without script the browser's own tooltips remain.
  static let script = """
    const tip = document.getElementById("tip");
    for (const title of document.querySelectorAll("svg title")) {
      const owner = title.parentNode, text = title.textContent;
      title.remove();
      owner.setAttribute("aria-label", text);
      owner.addEventListener("pointermove", event => {
        tip.textContent = text;
        tip.hidden = false;
        const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
        const below = event.clientY + 18;
        const y = below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : below;
        tip.style.left = x + "px";
        tip.style.top = y + "px";
      });
      owner.addEventListener("pointerleave", () => { tip.hidden = true; });
    }
    for (const element of document.querySelectorAll("[data-layer]")) {
      const same = document.querySelectorAll(`[data-layer="${element.dataset.layer}"]`);
      element.addEventListener("pointerenter", () => same.forEach(e => e.classList.add("hot")));
      element.addEventListener("pointerleave", () => same.forEach(e => e.classList.remove("hot")));
    }
    """
}
