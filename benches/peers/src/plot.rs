//! A picture of the CPU per request: a group of bars for each work, the best peer's length being one.

use super::peers::{HOMING, RELAY};
use super::report::Run;
use super::works::Sample;
use std::fmt::Write;

const WIDTH: f64 = 860.0;
/// Where the bars begin, the length of 1, and where longer ones are cut.
const LEFT: f64 = 150.0;
const ONE: f64 = 170.0;
const MOST: f64 = 3.6;
const BAR: f64 = 13.0;
const GAP: f64 = 12.0;
const TOP: f64 = 64.0;

fn colour(peer: &str) -> &'static str {
    match peer {
        HOMING => "#0b7a75",
        "haproxy" => "#4a7fc1",
        "nginx" => "#d98e04",
        "apache" => "#b5495b",
        _ => "#b8b8b8",
    }
}

/// The picture as SVG.
pub fn svg(run: &Run) -> String {
    let (mut body, mut y) = (String::new(), TOP);
    for work in &run.works {
        let values: Vec<(&str, f64)> = run
            .peers
            .iter()
            .filter_map(|peer| Some((*peer, run.spread(Sample::cpu_us, work, peer)?.middle)))
            .collect();
        let rivals =
            values.iter().filter(|(peer, _)| *peer != HOMING && *peer != RELAY).map(|(_, value)| *value);
        let Some(best) = rivals.reduce(f64::min) else { continue };
        let middle = y + BAR * values.len() as f64 / 2.0 + 4.0;
        let _ =
            writeln!(body, r#"<text x="{}" y="{middle}" text-anchor="end">{}</text>"#, LEFT - 8.0, work.name);
        for (peer, value) in values {
            let length = (value / best).min(MOST) * ONE;
            let text = format!("{value:.1}{}", if value / best > MOST { " →" } else { "" });
            let _ = writeln!(
                body,
                r#"<rect x="{LEFT}" y="{y}" width="{length:.1}" height="{}" fill="{}"/><text class="n" x="{:.1}" y="{}">{text}</text>"#,
                BAR - 1.0,
                colour(peer),
                LEFT + length + 4.0,
                y + BAR - 3.0
            );
            y += BAR;
        }
        y += GAP;
    }
    let mut legend = String::new();
    for (at, peer) in run.peers.iter().enumerate() {
        let x = LEFT + at as f64 * 110.0;
        let _ = writeln!(
            legend,
            r#"<rect x="{x}" y="36" width="12" height="12" fill="{}"/><text x="{}" y="46">{peer}</text>"#,
            colour(peer),
            x + 18.0
        );
    }
    let (line, end) = (LEFT + ONE, y - GAP);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12">
<style>.n {{ font-size: 10px; fill: #555 }}</style>
<rect width="{WIDTH}" height="{y}" fill="#fff"/>
<text x="{LEFT}" y="22" font-size="15">CPU microseconds per request, drawn to the best peer = 1 (less is better)</text>
{legend}<line x1="{line}" x2="{line}" y1="{TOP}" y2="{end}" stroke="#999" stroke-dasharray="3 3"/>
{body}</svg>
"##
    )
}
