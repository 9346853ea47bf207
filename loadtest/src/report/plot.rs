//! Curves over time as SVG.

use super::html::{escape, push};
use super::{Figure, Series};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// Lines across a plot, about.
const TICKS: f64 = 5.0;

/// The n-th curve's; the page's style gives the colours.
pub(super) fn colour(n: usize) -> String {
    format!("var(--c{})", n % 6)
}

/// A step of 1, 2 or 5 times a power of ten, so that about [`TICKS`] make up `most`.
fn step(most: f64) -> f64 {
    let rough = (most / TICKS).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let times = rough / power;
    let nice = match times {
        small if small <= 1.0 => 1.0,
        small if small <= 2.0 => 2.0,
        middle if middle <= 5.0 => 5.0,
        _ => 10.0,
    };
    nice * power
}

struct Axes {
    from: f64,
    seconds: f64,
    most: f64,
}

impl Axes {
    fn of(curves: &[&Series]) -> Self {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let most = points().map(|point| point.1).fold(0.0, f64::max);
        let from = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let last = points().map(|point| point.0).fold(0.0, f64::max);
        let step = step(most.max(1e-6));
        Axes {
            from,
            seconds: (last - from).max(1e-3),
            most: (most / step).ceil().max(1.0) * step,
        }
    }

    fn x(&self, second: f64) -> f64 {
        LEFT + (second - self.from) / self.seconds * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.most * (HEIGHT - TOP - BOTTOM)
    }
}

pub(super) fn svg(title: &str, curves: &[&Series]) -> String {
    let axes = Axes::of(curves);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escape(title)
    );
    let lines = step(axes.most);
    for n in 0..=(axes.most / lines).round() as usize {
        let value = n as f64 * lines;
        let y = axes.y(value);
        let (end, left, below) = (WIDTH - RIGHT, LEFT - 8.0, y + 4.0);
        push(
            &mut svg,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            ),
        );
        let text = Figure::text(value);
        push(
            &mut svg,
            format_args!("<text x=\"{left}\" y=\"{below:.1}\" text-anchor=\"end\">{text}</text>"),
        );
    }
    let wide = step(axes.seconds);
    for n in 0..=(axes.seconds / wide).floor() as usize {
        let second = n as f64 * wide;
        let (x, y) = (axes.x(axes.from + second), HEIGHT - 8.0);
        let text = Figure::text(second);
        push(
            &mut svg,
            format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{text} s</text>"),
        );
    }
    for (n, curve) in curves.iter().enumerate() {
        let path: Vec<String> = curve
            .points
            .iter()
            .map(|(second, value)| format!("{:.1} {:.1}", axes.x(*second), axes.y(*value)))
            .collect();
        let most = curve.points.iter().map(|point| point.1).fold(0.0, f64::max);
        let told = format!("{}: at most {}", escape(&curve.name), Figure::text(most));
        let (path, colour) = (path.join(" L"), colour(n));
        push(
            &mut svg,
            format_args!(
                "<path class=\"curve\" stroke=\"{colour}\" d=\"M{path}\"><title>{told}</title></path>"
            ),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::super::Plot;
    use super::*;

    #[test]
    fn steps_are_round() {
        for (most, wanted) in [
            (100.0, 20.0),
            (7.0, 2.0),
            (0.3, 0.1),
            (90_000.0, 20_000.0),
            (3.0, 1.0),
        ] {
            let found = step(most);
            assert!((found - wanted).abs() < wanted * 1e-9, "{most}: {found}");
        }
    }

    #[test]
    fn a_curve_stays_inside_its_plot() {
        let points: Vec<(f64, f64)> = (0..50).map(|n| (f64::from(n), f64::from(n * n))).collect();
        let curve = Series {
            plot: Plot::Cpu,
            name: "x".to_owned(),
            points,
        };
        let axes = Axes::of(&[&curve]);
        for (second, value) in &curve.points {
            let (x, y) = (axes.x(*second), axes.y(*value));
            assert!(
                (LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT - BOTTOM).contains(&y),
                "{x} {y}"
            );
        }
        let flat = Series {
            points: vec![(1.0, 0.0), (1.0, 0.0)],
            ..curve
        };
        assert!(!svg("flat", &[&flat]).contains("NaN"));
    }
}
