"""The style of the report page. Colours are Okabe and Ito's, told apart by colour-blind readers."""

__all__ = ["STYLE"]

STYLE = """
:root{--ink:#1b1f24;--soft:#57606a;--page:#fbfbfa;--card:#fff;--edge:#d8dde3;--grid:#e7eaee;
--blue:#0072b2;--orange:#c24e00;--both:#6e7781;--low:#dcebf5;--high:#08306b;--idle:#eef0f2;
--good:#006b4f;--good-bg:#e2f4ee;--warn:#7a4b00;--warn-bg:#fdf0d8;
--s0:#0072b2;--s1:#e69f00;--s2:#009e73;--s3:#cc79a7;--s4:#56b4e9;--s5:#d55e00;--s6:#f0e442;--s7:#999}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#a0a8b2;--page:#14171b;--card:#1c2026;
--edge:#343b44;--grid:#2a3038;--blue:#6cb8ec;--orange:#ff9d5c;--both:#8b949e;--low:#1f3a52;
--high:#9fd4ff;--idle:#262b32;--good:#7ee0bd;--good-bg:#12352a;--warn:#ffcf87;--warn-bg:#3d2c0c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header,main,footer{max-width:1480px;margin:0 auto;padding:0 24px}
header{padding-top:40px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 8px;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:0 0 12px}
h3{font-size:1.02rem;margin:20px 0 4px}
p{max-width:78ch;overflow-wrap:anywhere}
.lead{color:var(--soft);margin:0 0 20px}
section{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:20px 22px;
margin:0 0 20px}
.note,figcaption,footer,.kind,small{color:var(--soft);font-size:.86rem}
footer{padding-bottom:40px}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:.86rem;padding:4px 0}
th,td{text-align:left;vertical-align:top;padding:8px 14px 8px 0;border-bottom:1px solid var(--edge);
overflow-wrap:break-word}
thead th{font-size:.9rem;border-bottom:2px solid var(--edge);vertical-align:bottom}
tbody th{font-weight:500}
.result td,.result thead th:nth-child(n+3){min-width:8em}
tbody tr:last-child>*{border-bottom:0}
.num{white-space:nowrap}
tbody th{min-width:9em}
code{font-size:.85em;color:var(--soft);font-weight:400}
.badge{display:inline-block;padding:1px 9px;border-radius:20px;font-size:.82rem;white-space:nowrap;
background:var(--idle);color:var(--ink)}
.badge.exact{background:var(--good-bg);color:var(--good)}
.badge.approximate,.badge.refused{background:var(--warn-bg);color:var(--warn)}
figure{margin:0 0 18px}
figcaption{margin-top:4px}
details{border-top:1px solid var(--edge);padding:8px 0}
summary{cursor:pointer;font-weight:500}
summary:focus-visible{outline:2px solid var(--blue);outline-offset:3px}
ul{padding-left:1.1em}li{margin:4px 0;font-size:.9rem}
dl{display:grid;grid-template-columns:minmax(7em,max-content) 1fr;gap:4px 18px;margin:0;
font-size:.9rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
svg{display:block;max-width:100%;height:auto;
font:13px system-ui,"DejaVu Sans",sans-serif}
svg text{fill:var(--ink)}svg .small{fill:var(--soft);font-size:11.5px}svg .value{font-weight:600}
svg .onbar{fill:#000;font-size:11.5px;font-weight:600}svg .onbar.on0{fill:#fff}
.axis{stroke:var(--soft);stroke-width:1}.grid{stroke:var(--grid);stroke-width:1}
.whisker{stroke:var(--blue);stroke-width:2}.dot{fill:var(--blue)}
.panel{fill:var(--page);stroke:var(--edge)}
.k-both{stroke:var(--both);stroke-width:1.6;fill:none}
.k-ideal{stroke:var(--blue);stroke-width:1.8;fill:none}
.k-here{stroke:var(--orange);stroke-width:1.8;fill:none}
.ring{fill:none;stroke:var(--ink);stroke-width:1.5;stroke-dasharray:3 2}
.tile{fill:none;stroke:var(--edge)}.idle{fill:var(--idle)}.core{stroke:var(--soft);stroke-width:.6}
.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}.s4{fill:var(--s4)}
.s5{fill:var(--s5)}.s6{fill:var(--s6)}.s7{fill:var(--s7)}
@media (max-width:640px){header,main,footer{padding:0 10px}section{padding:14px 12px}
tbody th,thead th:first-child{position:sticky;left:0;background:var(--card)}
tbody th{min-width:7em}td:last-child{min-width:12em}header{padding-top:20px}}
@media print{section{break-inside:avoid}details:not([open])>*{display:block}}
"""
"""Light by default, dark where the reader's system asks for it."""
