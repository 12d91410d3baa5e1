//! Plots as SVG. They have no background and colours of middle lightness, so that they can be
//! read in light and in dark viewers.

use std::ops::Range;

use anyhow::{Context as _, Result};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

pub(crate) const GREY: RGBColor = RGBColor(128, 128, 128);
pub(crate) const BLUE: RGBColor = RGBColor(59, 130, 246);
pub(crate) const ORANGE: RGBColor = RGBColor(234, 116, 32);
pub(crate) const GREEN: RGBColor = RGBColor(22, 163, 94);
pub(crate) const YELLOW: RGBColor = RGBColor(190, 140, 20);
pub(crate) const CYAN: RGBColor = RGBColor(20, 160, 180);
pub(crate) const RED: RGBColor = RGBColor(225, 75, 75);
pub(crate) const VIOLET: RGBColor = RGBColor(139, 108, 240);
pub(crate) const PINK: RGBColor = RGBColor(217, 70, 160);
pub(crate) const SILVER: RGBColor = RGBColor(170, 170, 170);
pub(crate) const LIME: RGBColor = RGBColor(125, 180, 40);

const LINES: [RGBColor; 8] = [BLUE, ORANGE, GREEN, PINK, VIOLET, YELLOW, CYAN, RED];

const LINES_SIZE: (u32, u32) = (900, 380);
const BARS_SIZE: (u32, u32) = (1000, 420);
/// Width of the bars. The rest is for the legend.
const BARS_WIDTH: u32 = 850;
/// Part of a group's width that stays empty.
const GAP: f64 = 0.16;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Name and colour of the bars that stand at the same position in each group.
pub(crate) type Series = (&'static str, RGBColor);

/// Draws groups of bars on a logarithmic axis. Each group has a value for each series.
pub(crate) fn bars(
    title: &str,
    groups: &[(String, Vec<Option<f64>>)],
    series: &[Series],
) -> Result<String> {
    svg(BARS_SIZE, |root| {
        let (left, right) = root.split_horizontally(BARS_WIDTH);
        let values = || groups.iter().flat_map(|(_, bars)| bars.iter().flatten());
        let range = powers(values().copied());
        let (least, most) = (range.start, range.end);
        let x = 0.0..groups.len().max(1) as f64;
        let mut chart = chart(&left, title, x, least - 0.3..most, (10, 8, 60))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .axis_style(GREY)
            .bold_line_style(GREY.mix(0.3))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13).into_font().color(&GREY))
            .y_labels(((most - least) as usize + 1).max(2))
            .y_label_formatter(&|log| format!("{:.0}", 10_f64.powf(*log)))
            .draw()?;
        let text = |size: u32| ("sans-serif", size).into_font().color(&GREY);
        let width = (1.0 - GAP) / series.len().max(1) as f64;
        for (index, (name, bars)) in groups.iter().enumerate() {
            let begin = index as f64 + GAP / 2.0;
            let bars =
                bars.iter().zip(series).enumerate().filter_map(|(at, (value, (_, color)))| {
                    let (left, value) = (begin + width * at as f64, value.as_ref()?);
                    let corners = [(left, least), (left + width * 0.9, value.log10())];
                    Some(Rectangle::new(corners, color.filled()))
                });
            chart.draw_series(bars)?;
            let name = Text::new(name.clone(), (begin, least - 0.1), text(13));
            chart.draw_series([name])?;
        }
        for (at, (name, color)) in (0..).zip(series) {
            let top = 50 + 24 * at;
            right.draw(&Rectangle::new([(0, top), (12, top + 12)], color.filled()))?;
            right.draw(&Text::new(*name, (20, top), text(13)))?;
        }
        Ok(())
    })
}

pub(crate) struct Lines<'a> {
    pub(crate) title: &'a str,
    /// Name and points of each line.
    pub(crate) lines: Vec<(String, Vec<(f64, f64)>)>,
    pub(crate) y: Range<f64>,
    pub(crate) x_label: &'a dyn Fn(&f64) -> String,
    pub(crate) y_label: &'a dyn Fn(&f64) -> String,
}

/// Draws plots one above the other. The first has the legend of all.
pub(crate) fn lines(plots: &[Lines<'_>]) -> Result<String> {
    svg((LINES_SIZE.0, LINES_SIZE.1 * plots.len() as u32), |root| {
        let areas = root.split_evenly((plots.len(), 1));
        for (index, (area, plot)) in areas.iter().zip(plots).enumerate() {
            let x = plot.lines.iter().flat_map(|(_, points)| points.iter().map(|point| point.0));
            let x = 0.0..x.fold(0.1, f64::max);
            let mut chart = chart(area, plot.title, x, plot.y.clone(), (12, 34, 70))?;
            let text = ("sans-serif", 13).into_font().color(&GREY);
            chart
                .configure_mesh()
                .axis_style(GREY)
                .bold_line_style(GREY.mix(0.3))
                .light_line_style(TRANSPARENT)
                .label_style(text.clone())
                .x_label_formatter(plot.x_label)
                .y_label_formatter(plot.y_label)
                .draw()?;
            for ((name, points), color) in plot.lines.iter().zip(LINES.into_iter().cycle()) {
                let style = color.stroke_width(2);
                let line = LineSeries::new(points.iter().copied(), style);
                chart
                    .draw_series(line)?
                    .label(name)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            }
            if index == 0 {
                let labels = &mut chart.configure_series_labels();
                labels.position(SeriesLabelPosition::UpperLeft).label_font(text).draw()?;
            }
        }
        Ok(())
    })
}

/// Exponents of the powers of ten around all values. At least one power apart.
pub(crate) fn powers(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
        (least.min(value.log10()), most.max(value.log10()))
    });
    let least = if least.is_finite() { least.floor() } else { 0.0 };
    least..most.max(least + 1.0).ceil()
}

fn chart<'a, 'b>(
    area: &'b Area<'a>,
    title: &str,
    x: Range<f64>,
    y: Range<f64>,
    (margin, x_labels, y_labels): (u32, u32, u32),
) -> Result<Chart<'a, 'b>> {
    let chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18).into_font().color(&GREY))
        .margin(margin)
        .x_label_area_size(x_labels)
        .y_label_area_size(y_labels)
        .build_cartesian_2d(x, y)?;
    Ok(chart)
}

fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    draw(&root).context("cannot plot")?;
    root.present().context("cannot plot")?;
    drop(root);
    Ok(svg)
}
