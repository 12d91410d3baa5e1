//! Two plots in one SVG: latency by percentile, and throughput over time.
//!
//! The plots have no background, and every colour is of middle lightness: light and dark viewers
//! can show them.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::outcome::{Outcome, time};
use crate::failure::{Failure, Result};

const SIZE: (u32, u32) = (900, 760);
const TEXT: RGBColor = RGBColor(128, 128, 128);
const COLORS: [RGBColor; 8] = [
    RGBColor(59, 130, 246),
    RGBColor(234, 116, 32),
    RGBColor(22, 163, 94),
    RGBColor(217, 70, 160),
    RGBColor(139, 108, 240),
    RGBColor(190, 140, 20),
    RGBColor(20, 160, 180),
    RGBColor(225, 75, 75),
];

/// One plot: a line for each step, and the texts at its axes.
struct Plot<'a> {
    title: &'a str,
    lines: Vec<(String, Vec<(f64, f64)>)>,
    y: Range<f64>,
    x_label: &'a dyn Fn(&f64) -> String,
    y_label: &'a dyn Fn(&f64) -> String,
    has_legend: bool,
}

/// Draws the outcomes, a line each.
pub(super) fn svg(outcomes: &[Outcome]) -> Result<String> {
    let lines = |points: &dyn Fn(&Outcome) -> Vec<(f64, f64)>| {
        let name = |Outcome { plan, .. }: &Outcome| {
            format!("{} members, {} B, {}", plan.participants, plan.size, plan.pace)
        };
        outcomes.iter().map(|outcome| (name(outcome), points(outcome))).collect::<Vec<_>>()
    };
    // The axis counts nines: 1 is 90 %, 2 is 99 %. Its times are powers of ten.
    let nines = |percent: f64| -(1.0 - percent / 100.0).log10();
    let latency = lines(&|outcome| {
        let points = outcome.distribution.iter();
        points.map(|(percent, us)| (nines(*percent), us.max(1.0).log10())).collect()
    });
    let throughput = lines(&|outcome| outcome.throughput.clone());
    let times = latency.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    let lowest = times.clone().fold(6.0, f64::min).floor();
    let highest = times.fold(lowest + 1.0, f64::max).ceil();
    let rates = throughput.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    let most = rates.fold(1.0, f64::max) * 1.05;
    let plots = [
        Plot {
            title: "Latency, from due to delivered, by percentile",
            lines: latency,
            y: lowest..highest,
            x_label: &|nines| {
                let percent = 100.0 - 100.0 * 10_f64.powf(-nines);
                format!("{:.*} %", (nines.round() as usize).saturating_sub(2), percent)
            },
            y_label: &|log| time(10_f64.powf(*log)),
            has_legend: true,
        },
        Plot {
            title: "Deliveries a second",
            lines: throughput,
            y: 0.0..most,
            x_label: &|second| format!("{second:.1} s"),
            y_label: &|rate| match *rate {
                rate if rate < 10e3 => format!("{rate:.0}"),
                rate => format!("{:.0} k", rate / 1e3),
            },
            has_legend: false, // The colours are those of the first plot.
        },
    ];
    let mut svg = String::new();
    draw(&mut svg, &plots).map_err(|error| Failure::Wrong(format!("cannot plot: {error}")))?;
    Ok(svg)
}

fn draw(svg: &mut String, plots: &[Plot<'_>; 2]) -> std::result::Result<(), Box<dyn Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (upper, lower) = root.split_vertically(SIZE.1 / 2);
    for (area, plot) in [upper, lower].iter().zip(plots) {
        draw_lines(area, plot)?;
    }
    root.present()?;
    Ok(())
}

fn draw_lines(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    plot: &Plot<'_>,
) -> std::result::Result<(), Box<dyn Error>> {
    let text = |size: u32| ("sans-serif", size).into_font().color(&TEXT);
    let last = plot.lines.iter().flat_map(|(_, points)| points.iter().map(|point| point.0));
    let mut chart = ChartBuilder::on(area)
        .caption(plot.title, text(18))
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..last.fold(0.1, f64::max), plot.y.clone())?;
    chart
        .configure_mesh()
        .axis_style(TEXT)
        .bold_line_style(TEXT.mix(0.3))
        .light_line_style(TRANSPARENT)
        .label_style(text(13))
        .x_label_formatter(plot.x_label)
        .y_label_formatter(plot.y_label)
        .draw()?;
    for ((name, points), color) in plot.lines.iter().zip(COLORS.into_iter().cycle()) {
        let line = LineSeries::new(points.iter().copied(), color.stroke_width(2));
        chart
            .draw_series(line)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    if plot.has_legend {
        let labels = &mut chart.configure_series_labels();
        labels.position(SeriesLabelPosition::UpperLeft).label_font(text(13)).draw()?;
    }
    Ok(())
}
