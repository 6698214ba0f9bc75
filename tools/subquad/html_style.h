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
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 12px; }
h2 { font-size: 19px; margin: 0 0 4px; overflow-wrap: anywhere; }
p { margin: 0 0 10px; }
.note { color: var(--soft); font-size: 14px; margin-bottom: 4px; }
.synthetic { display: inline-block; padding: 2px 10px; border: 1px solid var(--c1); border-radius: 4px;
  color: var(--c1); font-weight: 600; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; margin: 0 0 8px; }
section { border-top: 1px solid var(--line); margin-top: 36px; padding-top: 24px; }
figure { margin: 12px 0 14px; }
figcaption { color: var(--soft); font-size: 13px; }
svg { width: 100%; min-width: 760px; height: auto; display: block; }
svg text { fill: var(--ink); font: 13px system-ui, "Segoe UI", Roboto, sans-serif; }
svg text.tick { fill: var(--soft); font-size: 12px; }
svg text.axis { fill: var(--soft); font-size: 13px; }
svg text.label { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
svg text.exactword { font-weight: 600; }
.frame { fill: none; stroke: var(--soft); }
.grid { stroke: var(--line); }
.mark { stroke: var(--soft); }
.exact { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 6 4; }
.leader { fill: none; stroke: var(--c); stroke-opacity: 0.45; }
.point { fill: var(--c); stroke: var(--paper); stroke-width: 2; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin: 4px 8px 0 0;
  vertical-align: top; background: var(--c, var(--ink)); }
.s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); } .s3 { --c: var(--c3); }
.s4 { --c: var(--c4); } .s5 { --c: var(--c5); } .s6 { --c: var(--c6); } .s7 { --c: var(--c7); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); vertical-align: bottom; }
th.n { text-align: right; }
th, td { padding: 5px 8px; border-bottom: 1px solid var(--line); }
td { text-align: right; white-space: nowrap; }
.spec { text-align: left; white-space: normal; min-width: 230px; font-size: 12px;
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
td.spec > div { display: inline-block; vertical-align: top; width: calc(100% - 24px); }
.spec small { color: var(--soft); }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--soft); }
)css";

}  // namespace subquad::cli
