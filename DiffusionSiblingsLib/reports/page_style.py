"""The look of the reports; no fonts, scripts or images from outside."""

STYLE = """\
:root {
  --paper: #ffffff; --ink: #21242b; --soft: #5a606b; --line: #dde0e6; --band: #f5f6f8; --link: #00598c;
  --reference: #0072b2; --cohort: #d55e00; --good: #e8f4ee; --good-line: #2e8b62; --warn: #fdf1e3; --warn-line: #c07000;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181d; --ink: #e6e8ec; --soft: #a5abb6; --line: #363a44; --band: #1f2229; --link: #7cc4f0;
    --reference: #56b4e9; --cohort: #f0914a; --good: #17301f; --good-line: #5fbf8f; --warn: #35270f;
    --warn-line: #e3a34a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 984px; margin: 0 auto; padding: 40px 32px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 14px; letter-spacing: -0.01em; }
h2 { font-size: 21px; line-height: 1.3; margin: 52px 0 12px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 16.5px; margin: 28px 0 8px; }
p, ul, dl { margin: 0 0 12px; max-width: 76ch; }
ul { padding-left: 22px; }
li { margin: 3px 0; }
a { color: var(--link); }
code { font: 0.9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.kicker { margin: 0 0 6px; color: var(--soft); font-size: 13px; letter-spacing: 0.06em; text-transform: uppercase; }
.lead { font-size: 18px; }
.small, figcaption, footer { color: var(--soft); font-size: 14px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 22px 0 0; font-size: 14px; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
footer { margin-top: 56px; padding-top: 14px; border-top: 1px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 20px; max-width: none; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.box { border-left: 4px solid var(--line); background: var(--band); padding: 10px 14px; margin: 14px 0;
  max-width: 82ch; }
.box.good { background: var(--good); border-color: var(--good-line); }
.box.warning { background: var(--warn); border-color: var(--warn-line); }
.scroll { overflow-x: auto; margin: 12px 0 18px; }
table { border-collapse: collapse; font-size: 14.5px; line-height: 1.4; font-variant-numeric: tabular-nums; }
table.wide { width: 100%; }
caption { text-align: left; color: var(--soft); padding: 0 0 8px; }
th, td { text-align: left; padding: 6px 14px 6px 0; vertical-align: top; font-weight: 400; }
th[scope=row] { font-weight: 600; }
thead th { color: var(--soft); border-bottom: 1.5px solid var(--ink); vertical-align: bottom; }
tbody tr { border-bottom: 1px solid var(--line); }
th.number, td.number { text-align: right; }
td.number, tbody th[scope=row] { white-space: nowrap; }
tr.group th { padding-top: 20px; color: var(--soft); font-weight: 600; }
tr.value { border-bottom: 0; }
tr.value td, tr.value th { padding-top: 10px; padding-bottom: 2px; white-space: nowrap; }
tr.value td:last-child { padding-right: 0; }
tr.words td { color: var(--soft); padding: 0 0 12px; font-size: 14px; white-space: normal; }
tr.words b { color: var(--ink); font-weight: 600; }
svg.meter { display: block; width: 150px; height: 20px; margin-left: auto; }
svg.meter .axis { stroke: var(--line); stroke-width: 2; }
svg.meter .range { stroke: var(--cohort); stroke-width: 4; opacity: 0.45; }
svg.meter .value { fill: var(--cohort); }
svg.meter .floor { stroke: var(--reference); stroke-width: 2.5; }
svg.meter .best { stroke: var(--good-line); stroke-width: 2; stroke-dasharray: 2 2; }
figure { margin: 18px 0 26px; }
figure img { display: block; max-width: 100%; height: auto; background: #ffffff; border-radius: 4px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 20px; }
.pair figure { margin-bottom: 8px; }
figcaption { margin-top: 8px; max-width: 82ch; }
figcaption strong { color: var(--ink); }
@media (prefers-color-scheme: dark) { figure img { padding: 8px; } }
@media (max-width: 640px) {
  main { padding: 24px 16px 48px; }
  dl, .pair { grid-template-columns: 1fr; gap: 0; }
  tr.value th { white-space: normal; }
  dd { margin-bottom: 8px; }
}
@media print {
  :root { --paper: #ffffff; --ink: #000000; --soft: #444444; --line: #bbbbbb; --band: #f5f6f8; --link: #000000;
    --reference: #0072b2; --cohort: #d55e00; --good: #f0f7f3; --good-line: #2e8b62; --warn: #fdf6ec;
    --warn-line: #c07000; }
  @page { margin: 16mm; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  h2 { break-after: avoid; margin-top: 26px; }
  figure, .box, tr { break-inside: avoid; }
  tr.value { break-after: avoid; }
  .scroll { overflow: visible; }
  figure img { padding: 0; max-height: 205mm; width: auto; }
}
"""
