// The style sheet of the report.
#pragma once

namespace subquad::cli {

inline constexpr const char* html_style = R"css(
:root { --ink: #1d2228; --soft: #5c6670; --line: #d9dee3; --paper: #ffffff; --panel: #f5f7f9;
  --c0: #0072b2; --c1: #c75000; --c2: #00805f; --c3: #a8447e; --c4: #7a5c00; --c5: #2f86c9;
  --c6: #5b4bb7; --c7: #6b6b6b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #9aa5b0; --line: #38414a; --paper: #14181c; --panel: #1d2329;
    --c0: #56b4e9; --c1: #f08a4b; --c2: #3ccf9e; --c3: #e08bbf; --c4: #e2c044; --c5: #8fc7ff;
    --c6: #b0a3ff; --c7: #b5b5b5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 12px; }
h2 { font-size: 19px; margin: 0 0 4px; overflow-wrap: anywhere; }
h3 { font-size: 15px; margin: 18px 0 4px; }
p { margin: 0 0 10px; }
small { color: var(--soft); font-size: 12px; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { font-size: 0.9em; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 10px 24px;
  margin: 16px 0; }
.facts dt { color: var(--soft); font-size: 12px; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.note { color: var(--soft); font-size: 14px; margin-bottom: 6px; }
.verdict { border-left: 4px solid var(--c2); background: var(--panel); padding: 8px 12px; margin: 12px 0;
  font-weight: 600; }
.synthetic { display: inline-block; padding: 2px 10px; border: 1px solid var(--c1); border-radius: 4px;
  color: var(--c1); font-weight: 600; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; margin: 0 0 8px; }
section { border-top: 1px solid var(--line); margin-top: 32px; padding-top: 24px; }
figure { margin: 12px 0 16px; }
figcaption { color: var(--soft); font-size: 13px; }
.picture { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 8px 28px;
  align-items: center; }
.legend { list-style: none; margin: 0; padding: 0; }
.legend li { display: flex; align-items: baseline; padding: 4px 0; line-height: 1.35; font-size: 14px; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 13px system-ui, "Segoe UI", Roboto, sans-serif; }
svg text.tick, svg text.axis { fill: var(--soft); }
svg text.exactword { font-weight: 600; }
svg text.number { font-weight: 600; }
.frame { fill: none; stroke: var(--soft); }
.grid { stroke: var(--line); }
.mark { stroke: var(--soft); }
.exact { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 6 4; }
.whisker { stroke: var(--c); stroke-width: 2; stroke-opacity: 0.6; }
.point { fill: var(--c); stroke: var(--paper); stroke-width: 1.5; }
.curve { fill: none; stroke: var(--c); stroke-width: 1.8; }
.chip { flex: none; display: inline-block; min-width: 20px; height: 20px; border-radius: 10px;
  padding: 0 5px; margin-right: 8px; background: var(--c, var(--ink)); color: var(--paper);
  font: 600 12px/20px system-ui, "Segoe UI", Roboto, sans-serif; text-align: center; }
.s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); } .s3 { --c: var(--c3); }
.s4 { --c: var(--c4); } .s5 { --c: var(--c5); } .s6 { --c: var(--c6); } .s7 { --c: var(--c7); }
table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); vertical-align: bottom; }
th.n { text-align: right; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); }
td { text-align: right; white-space: nowrap; vertical-align: top; }
td small { white-space: nowrap; font-size: 11px; }
.spec { text-align: left; white-space: normal; font-size: 12px;
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.methods .spec { min-width: 200px; }
.named { display: flex; overflow-wrap: anywhere; }
.group td { font-weight: 600; background: var(--panel); }
.certificates { margin: 0; padding-left: 20px; font-size: 14px; }
.certificates li { margin-bottom: 4px; }
.notes { color: var(--soft); font-size: 14px; }
details { margin-top: 14px; }
summary { cursor: pointer; color: var(--soft); }
/* A phone: the picture over its legend, and a card instead of a row. */
@media screen and (max-width: 760px) {
  main { padding: 20px 16px 32px; }
  h1 { font-size: 22px; }
  .facts { grid-template-columns: 1fr 1fr; gap: 8px 16px; }
  .picture { grid-template-columns: minmax(0, 1fr); }
  svg text { font-size: 19px; }
  .whisker { stroke-width: 3; }
  thead { display: none; }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 4px 12px; padding: 10px 0;
    border-bottom: 1px solid var(--line); }
  td { border: 0; padding: 0; text-align: left; overflow-wrap: anywhere; }
  td small { white-space: normal; }
  td::before { content: attr(data-name); display: block; color: var(--soft); font-size: 11px; }
  td.spec { grid-column: 1 / -1; font-size: 13px; }
  td.spec::before { display: none; }
  td[data-name='rows > 1 %'] { grid-column-start: 1; }
}
/* Paper: light, dense, nothing cut in two. */
@page { margin: 14mm 12mm; }
@media print {
  :root { --ink: #000000; --soft: #444b52; --line: #c9ced3; --paper: #ffffff; --panel: #f3f4f6;
    --c0: #0072b2; --c1: #c75000; --c2: #00805f; --c3: #a8447e; --c4: #7a5c00; --c5: #2f86c9;
    --c6: #5b4bb7; --c7: #6b6b6b; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 16pt; }
  h2, h3 { break-after: avoid; }
  section { margin-top: 14px; padding-top: 12px; }
  figure, tr, .verdict, .notes p, .certificates li { break-inside: avoid; }
  .facts { grid-template-columns: repeat(3, 1fr); gap: 6px 16px; }
  thead { display: table-header-group; }
  table { font-size: 8pt; }
  td small { font-size: 7pt; }
  th, td { padding: 3px 4px; }
  .methods .spec { min-width: 130px; font-size: 8pt; }
  .legend li { font-size: 9pt; padding: 2px 0; }
  details { display: none; }
}
)css";

}  // namespace subquad::cli
