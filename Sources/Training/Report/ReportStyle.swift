/// The report's style. The colours are those of `inspect --html`.
enum ReportStyle {
  static let css = """
    :root { color-scheme: light dark;
      --page: #f5f5f2; --card: #ffffff; --ink: #1d2024; --dim: #6d737b; --rule: #e4e4df;
      --training: #2f6fd0; --validation: #c2410c; --rate: #2e8b45; --norm: #6d4ad1;
      --right: #2f6fd0; --wrong: #d0521b; --empty: #f3f3f0; --strong: #ffffff; --best: #a9aeb5; }
    @media (prefers-color-scheme: dark) { :root {
      --page: #121417; --card: #1a1d21; --ink: #e7e9ec; --dim: #959da7; --rule: #2b2f35;
      --training: #6ba3f5; --validation: #fb923c; --rate: #63c47b; --norm: #a78bfa;
      --right: #4f8fea; --wrong: #e8713a; --empty: #212429; --strong: #ffffff; --best: #5d656f; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink);
      font: 14px/1.45 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
    main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 48px; }
    header h1 { margin: 0; font-size: 26px; font-weight: 650; letter-spacing: -0.01em; }
    header p { margin: 4px 0 20px; color: var(--dim); }
    header b { color: var(--ink); font-weight: 600; }
    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px;
      margin-bottom: 16px; }
    .tile, .card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
    .tile { padding: 12px 16px; display: flex; flex-direction: column; }
    .tile span { color: var(--dim); font-size: 12.5px; }
    .tile strong { font-size: 22px; font-weight: 650; letter-spacing: -0.01em;
      font-variant-numeric: tabular-nums; }
    .tile small { color: var(--dim); font-size: 12px; }
    .card { padding: 16px 20px 18px; min-width: 0; }
    .charts, .columns { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px;
      margin-bottom: 16px; align-items: start; }
    .charts { align-items: stretch; }
    .charts .card:last-child:nth-child(odd) { grid-column: auto; }
    .cardhead { display: flex; justify-content: space-between; align-items: baseline; }
    h2 { font-size: 16px; font-weight: 650; margin: 0 0 8px; }
    .legend { display: flex; gap: 14px; }
    .key { font-size: 12px; color: var(--dim); }
    .key::before { content: ""; display: inline-block; width: 14px; height: 3px; border-radius: 2px;
      margin-right: 6px; background: var(--c); vertical-align: 3px; }
    .training { --c: var(--training); } .validation { --c: var(--validation); }
    .rate { --c: var(--rate); } .norm { --c: var(--norm); }
    svg { display: block; max-width: 100%; height: auto; }
    svg.chart { width: 100%; } svg.matrix { margin: 0 auto; }
    svg text { font-family: inherit; fill: var(--ink); }
    .grid { stroke: var(--rule); } .tick { font-size: 11px; }
    svg .tick { fill: var(--dim); }
    .curve { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; }
    .point { fill: var(--c); } .target { fill: transparent; }
    .best { stroke: var(--best); stroke-dasharray: 3 4; }
    .name { font-size: 12px; } .right { fill: var(--right); } .wrong { fill: var(--wrong); }
    .none { fill: var(--empty); } .count { font-variant-numeric: tabular-nums; pointer-events: none; }
    svg .strong { fill: var(--strong); font-weight: 600; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: 13px; }
    th { text-align: left; font-weight: 500; color: var(--dim); font-size: 12px; padding: 4px 8px;
      border-bottom: 1px solid var(--rule); }
    td { padding: 4px 8px; border-bottom: 1px solid var(--rule); vertical-align: baseline;
      overflow-wrap: anywhere; }
    tbody tr:last-child td { border-bottom: 0; }
    td:first-child, th:first-child { padding-left: 4px; }
    th.n, .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
    td.dim { color: var(--dim); white-space: nowrap; }
    pre { margin: 0; overflow-x: auto; font: 12.5px/1.5 ui-monospace, "SF Mono", Consolas,
      "DejaVu Sans Mono", monospace; }
    @media (max-width: 900px) { .charts, .columns { grid-template-columns: minmax(0, 1fr); } }
    """
}
