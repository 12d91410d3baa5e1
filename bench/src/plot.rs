//! The plots: no background and colours of middle lightness, so that they can be read in light
//! and in dark viewers.

use std::error::Error;

use plotters::prelude::*;

use super::Results;
use crate::cases::{Metric, Work};
use crate::failure::{Failure, Result};
use crate::peers::{PEERS, Peer};

const SIZE: (u32, u32) = (1000, 420);
/// What is left of the width for the names of the peers.
const CHART_WIDTH: u32 = 850;
const TEXT: RGBColor = RGBColor(128, 128, 128);
/// Part of a group's width that is left empty.
const GAP: f64 = 0.16;

/// A group of bars: its name, and a value for each peer.
type Group = (String, Vec<(Peer, f64)>);

/// CPU of a delivery: peers side by side in each case.
///
/// # Errors
///
/// If it cannot be drawn.
pub fn cpu_svg(results: &Results) -> Result<String> {
    let cases = results.cases.iter().filter(|case| {
        matches!(case.work, Work::Saturated { .. } | Work::Paced(_)) //.
    });
    let groups: Vec<Group> =
        cases.map(|case| (case.name.to_owned(), values(results, case.name, Metric::Cpu))).collect();
    draw("CPU of the server for each delivery, ns (logarithmic)", &groups)
}

/// Latency at a steady rate: half of all deliveries, and 99 of 100.
///
/// # Errors
///
/// If it cannot be drawn.
pub fn latency_svg(results: &Results) -> Result<String> {
    let cases = results.cases.iter().filter(|case| matches!(case.work, Work::Paced(_)));
    let groups: Vec<Group> = cases
        .flat_map(|case| {
            [("p50", Metric::Median), ("p99", Metric::High)].map(|(name, metric)| {
                (format!("{}, {name}", case.name), values(results, case.name, metric))
            })
        })
        .collect();
    draw("From due to delivered, µs (logarithmic)", &groups)
}

fn values(results: &Results, case: &str, metric: Metric) -> Vec<(Peer, f64)> {
    let peers = PEERS.into_iter();
    peers.filter_map(|peer| Some((peer, results.median(case, peer, metric)?))).collect()
}

const fn color(peer: Peer) -> RGBColor {
    match peer {
        Peer::Floor => RGBColor(128, 128, 128),
        Peer::Groupcast => RGBColor(59, 130, 246),
        Peer::GroupcastAcks => RGBColor(20, 160, 180),
        Peer::Redis => RGBColor(225, 75, 75),
        Peer::Nats => RGBColor(22, 163, 94),
        Peer::Mosquitto0 => RGBColor(190, 140, 20),
        Peer::Mosquitto1 => RGBColor(234, 116, 32),
    }
}

fn draw(title: &str, groups: &[Group]) -> Result<String> {
    let mut svg = String::new();
    bars(&mut svg, title, groups)
        .map_err(|error| Failure::Wrong(format!("cannot plot: {error}")))?;
    Ok(svg)
}

fn bars(
    svg: &mut String,
    title: &str,
    groups: &[Group],
) -> std::result::Result<(), Box<dyn Error>> {
    let all = || groups.iter().flat_map(|(_, bars)| bars.iter().map(|bar| bar.1.log10()));
    let least = all().fold(f64::INFINITY, f64::min).min(6.0).floor();
    let most = all().fold(least + 1.0, f64::max).ceil();
    let text = |size: u32| ("sans-serif", size).into_font().color(&TEXT);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (left, right) = root.split_horizontally(CHART_WIDTH);
    let mut chart = ChartBuilder::on(&left)
        .caption(title, text(18))
        .margin(10)
        .x_label_area_size(8)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..groups.len().max(1) as f64, least - 0.3..most)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .axis_style(TEXT)
        .bold_line_style(TEXT.mix(0.3))
        .light_line_style(TRANSPARENT)
        .label_style(text(13))
        .y_labels(((most - least) as usize + 1).max(2))
        .y_label_formatter(&|log| format!("{:.0}", 10_f64.powf(*log)))
        .draw()?;
    for peer in PEERS {
        let bars = groups.iter().enumerate().flat_map(|(index, (_, bars))| {
            let width = (1.0 - GAP) / PEERS.len() as f64;
            let found = bars.iter().find(|bar| bar.0 == peer);
            found.map(|(_, value)| {
                let place = PEERS.iter().position(|other| *other == peer).unwrap_or(0);
                let left = index as f64 + GAP / 2.0 + width * place as f64;
                let corners = [(left, least), (left + width * 0.9, value.log10())];
                Rectangle::new(corners, color(peer).filled())
            })
        });
        chart.draw_series(bars)?;
    }
    let names = groups.iter().enumerate().map(|(index, (name, _))| {
        Text::new(name.clone(), (index as f64 + GAP / 2.0, least - 0.1), text(13))
    });
    chart.draw_series(names)?;
    for (place, peer) in (0..).zip(PEERS) {
        let top = 50 + 24 * place;
        right.draw(&Rectangle::new([(0, top), (12, top + 12)], color(peer).filled()))?;
        right.draw(&Text::new(peer.name(), (20, top), text(13)))?;
    }
    root.present()?;
    Ok(())
}
