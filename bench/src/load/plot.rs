//! Two plots in one SVG: how long deliveries took, and how many there were over time.
//!
//! The background is left out and every colour is of middle lightness, so that the plots can be
//! read in light and in dark viewers.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::outcome::Outcome;
use crate::failure::{Failure, Result};

const SIZE: (u32, u32) = (900, 760);
const TEXT: RGBColor = RGBColor(128, 128, 128);
const LINES: [RGBColor; 8] = [
    RGBColor(59, 130, 246),
    RGBColor(234, 116, 32),
    RGBColor(22, 163, 94),
    RGBColor(217, 70, 160),
    RGBColor(139, 108, 240),
    RGBColor(190, 140, 20),
    RGBColor(20, 160, 180),
    RGBColor(225, 75, 75),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Points<'a> = (String, &'a [(f64, f64)]);

/// The SVG of some outcomes, a line each.
///
/// # Errors
///
/// If it cannot be drawn.
pub fn svg(outcomes: &[Outcome]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, outcomes).map_err(|error| Failure::Wrong(format!("cannot plot: {error}")))?;
    Ok(svg)
}

fn draw(svg: &mut String, outcomes: &[Outcome]) -> std::result::Result<(), Box<dyn Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (upper, lower) = root.split_vertically(SIZE.1 / 2);
    let name = |outcome: &Outcome| {
        let plan = &outcome.plan;
        format!("{} members, {} B, {}", plan.participants, plan.size, plan.pace)
    };
    // The axis counts nines: 1 is 90 %, 2 is 99 %. Its times are powers of ten.
    let nines = |percent: f64| -(1.0 - percent / 100.0).log10();
    let latency: Vec<(String, Vec<(f64, f64)>)> = outcomes
        .iter()
        .map(|outcome| {
            let points = outcome.distribution.iter();
            let points = points.map(|(percent, us)| (nines(*percent), us.max(1.0).log10()));
            (name(outcome), points.collect())
        })
        .collect();
    let latency: Vec<Points<'_>> =
        latency.iter().map(|(name, points)| (name.clone(), points.as_slice())).collect();
    let percentile = |nines: &f64| {
        let percent = 100.0 - 100.0 * 10_f64.powf(-nines);
        format!("{:.*} %", (nines.round() as usize).saturating_sub(2), percent)
    };
    let time = |log: &f64| match 10_f64.powf(*log) {
        us if us < 999.0 => format!("{us:.0} µs"),
        us if us < 999e3 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.0} s", us / 1e6),
    };
    let times = latency.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    let lowest = times.clone().fold(6.0, f64::min).floor();
    let highest = times.fold(lowest + 1.0, f64::max).ceil();
    let title = "Latency, from due to delivered, by percentile";
    lines(&upper, title, &latency, lowest..highest, (&percentile, &time), true)?;

    let throughput: Vec<Points<'_>> =
        outcomes.iter().map(|outcome| (name(outcome), outcome.throughput.as_slice())).collect();
    let rates = throughput.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    let highest = rates.fold(1.0, f64::max) * 1.05;
    let second = |second: &f64| format!("{second:.1} s");
    let thousands = |rate: &f64| match *rate {
        rate if rate < 10e3 => format!("{rate:.0}"),
        rate => format!("{:.0} k", rate / 1e3),
    };
    let title = "Deliveries a second";
    lines(&lower, title, &throughput, 0.0..highest, (&second, &thousands), false)?;
    root.present()?;
    drop((upper, lower, root));
    Ok(())
}

/// How the two axes are labelled.
type Labels<'a> = (&'a dyn Fn(&f64) -> String, &'a dyn Fn(&f64) -> String);

fn lines(
    area: &Area<'_>,
    title: &str,
    series: &[Points<'_>],
    y: Range<f64>,
    (x_label, y_label): Labels<'_>,
    has_legend: bool,
) -> std::result::Result<(), Box<dyn Error>> {
    let text = |size: u32| ("sans-serif", size).into_font().color(&TEXT);
    let furthest = series.iter().flat_map(|(_, points)| points.iter().map(|point| point.0));
    let furthest = furthest.fold(0.1, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(18))
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..furthest, y)?;
    chart
        .configure_mesh()
        .axis_style(TEXT)
        .bold_line_style(TEXT.mix(0.3))
        .light_line_style(TRANSPARENT)
        .label_style(text(13))
        .x_label_formatter(x_label)
        .y_label_formatter(y_label)
        .draw()?;
    for ((name, points), color) in series.iter().zip(LINES.iter().cycle()) {
        let line = LineSeries::new(points.iter().copied(), color.stroke_width(2));
        let drawn = chart.draw_series(line)?;
        let color = *color;
        drawn
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    // The colours mean the same in both plots.
    if has_legend {
        let labels = &mut chart.configure_series_labels();
        labels.position(SeriesLabelPosition::UpperLeft).label_font(text(13)).draw()?;
    }
    Ok(())
}
