//! Small curves.

use super::parts::brief;
use crate::admin::history::Series;
use crate::base::words;
use maud::{Markup, html};
use std::fmt::Write;

const WIDTH: usize = 120;
const HEIGHT: f32 = 24.0;

/// How fine a curve is: the points that are drawn at most, each for the highest of its samples.
#[derive(Clone, Copy)]
pub enum Grain {
    /// One of a cluster's figures.
    Fine = 60,
    /// In a row among many.
    Coarse = 30,
}

/// A curve of the last hour, with what it says in words; none where all was nought.
pub fn spark(what: &str, unit: &str, series: Option<&Series>, grain: Grain) -> Markup {
    let samples: Vec<Option<f32>> = series.map(|series| series.samples().collect()).unwrap_or_default();
    let highest = samples.iter().flatten().copied().fold(0.0, f32::max);
    let Some(span) = series.map(Series::span).filter(|_| samples.len() > 1 && highest > 0.0) else {
        return html! {};
    };
    let (line, area) = paths(&samples, highest, grain as usize);
    let (low, last) = (
        samples.iter().flatten().copied().fold(f32::INFINITY, f32::min),
        samples.iter().flatten().last().copied(),
    );
    let (low, last) = (if low.is_finite() { low } else { 0.0 }, last.unwrap_or_default());
    let words = format!(
        "{what} over the last {}: {} to {}, now {}{unit}",
        words::span(span.as_secs()),
        brief(low.into()),
        brief(highest.into()),
        brief(last.into())
    );
    html! {
        svg.spark role="img" aria-label=(words) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" {
            title { (words) }
            @if matches!(grain, Grain::Fine) { path.area d=(area) {} }
            path.line d=(line) {}
        }
    }
}

/// The curve and what is below it; a gap where nothing was measured.
fn paths(samples: &[Option<f32>], highest: f32, most: usize) -> (String, String) {
    let every = samples.len().div_ceil(most).max(1);
    let points: Vec<Option<f32>> =
        samples.chunks(every).map(|chunk| chunk.iter().flatten().copied().reduce(f32::max)).collect();
    let step = WIDTH as f32 / (points.len() - 1).max(1) as f32;
    let height = |value: f32| HEIGHT - 1.0 - (HEIGHT - 2.0) * value / highest;
    let (mut line, mut area) = (String::new(), String::new());
    let places: Vec<(f32, Option<f32>)> =
        points.iter().enumerate().map(|(n, value)| (n as f32 * step, value.map(height))).collect();
    for run in places.split(|(_, y)| y.is_none()) {
        let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { continue };
        let mut curve = String::new();
        for (x, y) in run {
            let _ = write!(
                curve,
                "{}{x:.0} {:.1}",
                if curve.is_empty() { "M" } else { "L" },
                y.unwrap_or(HEIGHT)
            );
        }
        let _ = write!(area, "{curve}L{last:.0} {HEIGHT}L{first:.0} {HEIGHT}Z");
        line += &curve;
    }
    (line, area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_is_on_top_and_a_gap_is_a_gap() {
        let (line, area) = paths(&[Some(0.0), Some(10.0), None, Some(5.0)], 10.0, 60);
        assert_eq!(line, "M0 23.0L40 1.0M120 12.0");
        assert_eq!(area, "M0 23.0L40 1.0L40 24L0 24ZM120 12.0L120 24L120 24Z");
        let hour: Vec<_> = (0..360).map(|n| Some(if n == 200 { 9.0 } else { 1.0 })).collect();
        let (line, _) = paths(&hour, 9.0, 30);
        assert_eq!(line.matches(['M', 'L']).count(), 30);
        assert!(line.contains(" 1.0"), "a spike stays to be seen");
    }
}
