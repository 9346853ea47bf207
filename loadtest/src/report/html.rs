//! The report as one page that needs nothing else: no script, no network.

use super::table::{cells, columns, tables};
use super::{Plot, Report, Row, Series, plot};

const STYLE: &str = r#"
:root { color-scheme: light dark; --ground: #fbfaf8; --card: #fff; --text: #1d2126; --quiet: #69707a; --line: #e3e1dc;
  --good: #18794e; --bad: #c62a2f; --c0: #0b68cb; --c1: #c2410c; --c2: #15803d; --c3: #7c3aed; --c4: #a16207; --c5: #0e7490; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --card: #1c2024; --text: #e8e6e3; --quiet: #98a0aa;
  --line: #30363d; --good: #4cc38a; --bad: #ff6369; --c0: #62a8ff; --c1: #ff9a5c; --c2: #5fd38d; --c3: #b79bff;
  --c4: #e2b341; --c5: #4fc3d9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem; max-width: 72rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
h2 small { color: var(--quiet); font-weight: normal; }
p { margin: .25rem 0; color: var(--quiet); }
code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.25rem;
  margin-top: 1.25rem; overflow-x: auto; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1.25rem;
  margin-top: 1.25rem; }
.plots section { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .6rem; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--quiet); font-weight: 500; font-size: .85em; }
tbody tr { border-top: 1px solid var(--line); }
.verdict { font-weight: 600; color: var(--good); }
.verdict.failed { color: var(--bad); }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif; }
svg .grid { stroke: var(--line); }
svg .curve { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.legend span { margin-right: 1rem; white-space: nowrap; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: .2em; margin-right: .35em; }
"#;

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let mut body = String::new();
    let title = escape(&report.title);
    push(&mut body, format_args!("<h1>{title}</h1>"));
    push(
        &mut body,
        format_args!("<p>{}</p>", escape(&report.machine.to_string())),
    );
    push(
        &mut body,
        format_args!("<p><code>{}</code></p>", escape(&report.command)),
    );
    push(
        &mut body,
        format_args!("<p>{}</p>", escape(&report.settings())),
    );
    verdict(&mut body, &report.faults);
    for rows in tables(&report.rows) {
        table(&mut body, rows);
    }
    body.push_str("<div class=\"plots\">\n");
    for plot in Plot::ALL {
        let curves: Vec<&Series> = report
            .series
            .iter()
            .filter(|series| series.plot == plot && series.points.len() > 1)
            .collect();
        if !curves.is_empty() {
            card(&mut body, plot, &curves);
        }
    }
    body.push_str("</div>\n");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

pub(super) fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&arguments.to_string());
    text.push('\n');
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn verdict(body: &mut String, faults: &[String]) {
    if faults.is_empty() {
        body.push_str("<p class=\"verdict\">The books agree.</p>\n");
    }
    for fault in faults {
        push(
            body,
            format_args!("<p class=\"verdict failed\">Failed: {}</p>", escape(fault)),
        );
    }
}

fn table(body: &mut String, rows: &[Row]) {
    let Some(first) = rows.first() else {
        return;
    };
    let line = |cell: &str, texts: Vec<String>| {
        let cells = texts
            .iter()
            .map(|text| format!("<{cell}>{}</{cell}>", escape(text)));
        cells.collect::<String>()
    };
    let head = line("th", columns(first));
    push(
        body,
        format_args!("<section><table>\n<thead><tr><th></th>{head}</tr></thead>\n<tbody>"),
    );
    for row in rows {
        let name = escape(&row.name);
        push(
            body,
            format_args!("<tr><td>{name}</td>{}</tr>", line("td", cells(row))),
        );
    }
    body.push_str("</tbody></table></section>\n");
}

fn card(body: &mut String, plot: Plot, curves: &[&Series]) {
    let (title, unit) = plot.title();
    push(
        body,
        format_args!("<section><h2>{title} <small>{unit}</small></h2>"),
    );
    body.push_str(&plot::svg(title, curves));
    body.push_str("<p class=\"legend\">");
    for (n, curve) in curves.iter().enumerate() {
        let (name, colour) = (escape(&curve.name), plot::colour(n));
        push(
            body,
            format_args!("<span><i style=\"background:{colour}\"></i>{name}</span>"),
        );
    }
    body.push_str("</p></section>\n");
}

#[cfg(test)]
mod tests {
    use super::super::Figure;
    use super::*;

    #[test]
    fn a_page_is_whole_and_escaped_and_needs_no_network() {
        let mut report = Report::new("a < b & \"c\"");
        report
            .rows
            .push(Row::new("<round>", vec![Figure::beside("us", 3.0, 2.0)]));
        report.series.push(Series {
            plot: Plot::Memory,
            name: "gateway".to_owned(),
            points: vec![(0.0, 10.0), (1.0, 12.0), (2.0, 11.0)],
        });
        report.faults.push("1 > 0".to_owned());
        let page = page(&report);
        for wanted in [
            "a &lt; b &amp; &quot;c&quot;",
            "<td>1.50</td>",
            "Failed: 1 &gt; 0",
            "Resident memory",
            "<path",
        ] {
            assert!(page.contains(wanted), "{wanted} in {page}");
        }
        for unwanted in [
            "http",
            "<script",
            "@import",
            "url(",
            "<round>",
            "Throughput",
        ] {
            assert!(!page.contains(unwanted), "{unwanted} in {page}");
        }
    }
}
